/** The command line: every command that there is. */
import { createRequire } from "node:module";
import { Command } from "commander";
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

const { version } = createRequire(import.meta.url)("stepfold/package.json") as { version: string };
export const program = new Command("stepfold")
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
