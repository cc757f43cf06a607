#!/usr/bin/env node
/**
 * The command `stepfold`. Exit codes: 0 done, 1 failed, 2 wrong use. An error is one line: what, and what to do.
 *
 * What is compiled once is kept by Node, so that the next start is sooner: a host that was killed is back in half the
 * time. That holds for modules that are loaded after it is asked for: hence the imports below.
 * Source: nodejs.org/api/module.html#module-compile-cache
 */
import { enableCompileCache } from "node:module";

enableCompileCache();
const { CommanderError } = await import("commander");
const { program } = await import("./program.ts");

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said what it had to say.
  const { WRONG_USE } = await import("./connect/problem.ts");
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : WRONG_USE);
  process.stderr.write(`stepfold: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(WRONG_USE);
}
