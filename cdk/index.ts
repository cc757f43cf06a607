/** `stepfold/cdk`: the construct, and the types of its settings. */
export type { ScheduleOptions, SignalSchedule, SignalScheduleOptions } from "./crons.ts";
export type { GroupProps, WorkerGroup } from "./groups.ts";
export type { Auth, Throttle } from "./http-api.ts";
export type { IsolationProps } from "./isolation.ts";
export { ObjectEvents, type ObjectEventsOptions, objectEvents } from "./objects.ts";
export { Stepfold, type StepfoldProps } from "./stepfold.ts";
export type { EventSource, SignalOnOptions, StartOnOptions } from "./triggers.ts";
