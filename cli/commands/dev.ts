/** `stepfold dev`: the command line of the host on this machine. */
import { Command, Option } from "commander";
import type { DevOptions } from "../dev.ts";

export const devCommand: Command = new Command("dev")
  .description("serve the workflows that a module exports, with all that they need, from this machine")
  .argument("[entry]", "the module that exports workflows (default: workflows/index.ts)")
  .option("--port <port>", "where to listen; 0 picks a free port", "4317")
  .option("--data <dir>", "where runs are kept", ".stepfold")
  .addOption(
    new Option("--backend <backend>", "what keeps the runs").choices(["local", "aws"]).default("local"),
  )
  .option("--events", "write each change of a run's status to stdout, as EventBridge would get it")
  .addHelpText(
    "after",
    `
What the stack adds is not here: schedules and triggers that are declared in CDK start nothing on this machine.
Start a run by hand (stepfold start), and signal it by hand (stepfold signal).`,
  )
  .action(async (entry: string | undefined, options: DevOptions) => {
    const { dev } = await import("../dev.ts");
    await dev(entry, options);
  });
