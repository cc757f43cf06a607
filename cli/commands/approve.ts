/** `stepfold approve`. */
import type { Command } from "commander";
import { decisionCommand } from "./decision.ts";

export const approveCommand: Command = decisionCommand("approve", "approved");
