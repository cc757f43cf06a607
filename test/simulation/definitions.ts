/** Every workflow of the simulation, as one process has it. */
import { airTraffic } from "../../examples/air-traffic/workflow.ts";
import { order } from "../../examples/order/workflow.ts";
import type { AnyWorkflow } from "../../shared/core/workflow.ts";
import { exampleWorkflows } from "./examples.ts";
import { generatedWorkflow, type Stagehand } from "./generated/interpreter.ts";
import { remoteWorkflows } from "./remotes.ts";
import { type World, workflowsOf } from "./workflows.ts";

export function definitionsOf(world: World, stagehand: Stagehand): AnyWorkflow[] {
  return [
    ...workflowsOf(world),
    generatedWorkflow(stagehand),
    order,
    airTraffic,
    ...exampleWorkflows,
    ...remoteWorkflows,
  ];
}

const never = () => new Promise<never>(() => {});
const nobody: World = { busy: never, kill: never, handOut() {}, isHealed: () => false };
const nothing: Stagehand = {
  begin: () => () => {},
  busy: never,
  isMended: () => false,
  asks() {},
  handToken() {},
};

/** Those that no process runs: to replay journals with, of runs before and after their code was mended. */
export const definitions: readonly AnyWorkflow[] = definitionsOf(nobody, nothing);
export const mended: readonly AnyWorkflow[] = definitionsOf(nobody, { ...nothing, isMended: () => true });
