/** `stepfold cancel`. */
import type { Command } from "commander";
import { requestCommand } from "./request.ts";

export const cancelCommand: Command = requestCommand(
  "cancel",
  "end a run: what it has done is undone where its code says how",
);
