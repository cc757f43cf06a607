#!/usr/bin/env node
/** The command `stepfold`. Exit codes: 0 done, 1 failed, 2 wrong use. An error is one line: what, and what to do. */
import { Command, CommanderError, Option } from "commander";

const WRONG_USE = 2;

const program = new Command("stepfold")
  .description("Durable workflows: run them here, or in your own AWS account.")
  .exitOverride();

program
  .command("dev")
  .description("serve the workflows that a module exports, with all that they need, from this machine")
  .argument("[entry]", "the module that exports workflows (default: workflows/index.ts)")
  .option("--port <port>", "where to listen; 0 picks a free port", "4317")
  .option("--data <dir>", "where runs are kept", ".stepfold")
  .addOption(
    new Option("--backend <backend>", "what keeps the runs").choices(["local", "aws"]).default("local"),
  )
  .action(async (entry: string | undefined, options) => {
    const { dev } = await import("./dev.ts");
    await dev(entry, options);
  });

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said what it had to say.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : WRONG_USE);
  process.stderr.write(`stepfold: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(WRONG_USE);
}
