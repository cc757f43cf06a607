#!/usr/bin/env node
/** The command `stepfold`. Exit codes: 0 done, 1 failed, 2 wrong use. An error is one line: what, and what to do. */
import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { approveCommand } from "./commands/approve.ts";
import { cancelCommand } from "./commands/cancel.ts";
import { costCommand } from "./commands/cost.ts";
import { devCommand } from "./commands/dev.ts";
import { journalCommand } from "./commands/journal.ts";
import { listCommand } from "./commands/list.ts";
import { pauseCommand } from "./commands/pause.ts";
import { redriveCommand } from "./commands/redrive.ts";
import { rejectCommand } from "./commands/reject.ts";
import { resumeCommand } from "./commands/resume.ts";
import { showCommand } from "./commands/show.ts";
import { signalCommand } from "./commands/signal.ts";
import { startCommand } from "./commands/start.ts";
import { watchCommand } from "./commands/watch.ts";
import { WRONG_USE } from "./connect/problem.ts";

const { version } = createRequire(import.meta.url)("stepfold/package.json") as { version: string };
const program = new Command("stepfold")
  .description("Durable workflows: run them here, or in your own AWS account.")
  .version(version);
const commands = [
  devCommand,
  startCommand,
  signalCommand,
  approveCommand,
  rejectCommand,
  cancelCommand,
  pauseCommand,
  resumeCommand,
  redriveCommand,
  listCommand,
  showCommand,
  journalCommand,
  watchCommand,
  costCommand,
];
for (const command of [program, ...commands]) command.exitOverride();
for (const command of commands) program.addCommand(command);

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said what it had to say.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : WRONG_USE);
  process.stderr.write(`stepfold: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(WRONG_USE);
}
