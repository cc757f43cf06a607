/** `stepfold pause`. */
import type { Command } from "commander";
import { requestCommand } from "./request.ts";

export const pauseCommand: Command = requestCommand("pause", "let a run begin no further operation");
