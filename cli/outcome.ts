/** How a run's end becomes the command's. */
import type { Run, RunSummary } from "../shared/client/index.ts";
import { FAILED } from "./connect/problem.ts";

const UNFINISHED: readonly string[] = ["pending", "running", "sleeping", "waiting", "paused"];

export const isFinished = ({ status }: Pick<RunSummary, "status">): boolean => !UNFINISHED.includes(status);

/** 0 for a completed run, 1 for one that ended otherwise. */
export const exitCodeOf = ({ status }: Pick<Run, "status">): number => (status === "completed" ? 0 : FAILED);
