/** `stepfold/cdk`: the construct, and the types of its settings. */
export type { GroupProps, WorkerGroup } from "./groups.ts";
export type { Auth, Throttle } from "./http-api.ts";
export type { IsolationProps } from "./isolation.ts";
export { Stepfold, type StepfoldProps } from "./stepfold.ts";
