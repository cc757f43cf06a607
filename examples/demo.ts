/**
 * The demo: the examples on a real host, over HTTP, with the host killed once in the midst of a step and a sleep.
 *
 * 1. It ends with 0 only if every run completed with the right result, and every order was charged and shipped once.
 * 2. What it starts it ends, by pid; what it writes is in a folder of its own, which it removes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { play } from "./demo/play.ts";
import { openSandbox } from "./order/sandbox.ts";

/** Longer than it ever takes: then something hangs. */
const GIVE_UP_MS = 40_000;
const LATENCY_MS = 150;

const folder = await mkdtemp(join(tmpdir(), "stepfold-demo-"));
const sandbox = await openSandbox({ latencyMs: LATENCY_MS });
const stop = AbortSignal.any([AbortSignal.timeout(GIVE_UP_MS), interrupted()]);
try {
  await play({ folder, sandbox, stop });
} catch (error) {
  console.error(stop.aborted ? `The demo was stopped: ${String(stop.reason)}` : error);
  process.exitCode = 1;
} finally {
  await sandbox.close();
  await rm(folder, { recursive: true, force: true });
}

function interrupted(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort(new Error("interrupted")));
  process.once("SIGTERM", () => controller.abort(new Error("terminated")));
  return controller.signal;
}
