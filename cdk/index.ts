/** `stepfold/cdk`: the construct, and the types of its settings. */
export type { Auth, Throttle } from "./http-api.ts";
export { Stepfold, type StepfoldProps } from "./stepfold.ts";
