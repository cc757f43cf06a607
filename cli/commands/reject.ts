/** `stepfold reject`. */
import type { Command } from "commander";
import { decisionCommand } from "./decision.ts";

export const rejectCommand: Command = decisionCommand("reject", "rejected");
