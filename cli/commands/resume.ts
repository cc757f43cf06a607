/** `stepfold resume`. */
import type { Command } from "commander";
import { requestCommand } from "./request.ts";

export const resumeCommand: Command = requestCommand("resume", "let a paused run go on");
