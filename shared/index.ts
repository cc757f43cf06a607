/** What `import … from "stepfold"` gives: everything that a workflow is written with, and nothing that runs it. */
export type {
  Branches,
  BranchResult,
  BranchResults,
  ChildOptions,
  Log,
  RunContext,
  SignalOptions,
  StepContext,
  StepOptions,
} from "./core/context.ts";
export { type Duration, durationMs } from "./core/duration.ts";
export { LeaseLost, OperationError, PortError, type RunError, StepfoldError } from "./core/errors.ts";
export type { FinishedStatus, RunStatus } from "./core/events.ts";
export { flow } from "./core/flow/flow.ts";
export type { FlowEdge, FlowGraph, FlowNode } from "./core/flow/graph.ts";
export type { Branch, Flow, ForkedFlow, Task, Tasks } from "./core/flow/types.ts";
export type { Json, JsonObject } from "./core/json.ts";
export type { StepReport, TurnAction, TurnRequest } from "./core/remote/protocol.ts";
export {
  type FromEnvironment,
  type FromSecretsManager,
  type RemoteOptions,
  remote,
} from "./core/remote/remote.ts";
export { NonDeterminism } from "./core/replay.ts";
export type { ErrorMatcher, RetryOptions } from "./core/retry.ts";
export type { Schema } from "./core/schema.ts";
export {
  type AnyWorkflow,
  type Handler,
  type InputOf,
  type OutputOf,
  type Workflow,
  type WorkflowOptions,
  workflow,
} from "./core/workflow.ts";
