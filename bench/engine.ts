/** The engine in this process, on the local backend: for what is measured from the inside. */
import { localPorts } from "../shared/adapters/local/index.ts";
import { advance } from "../shared/engine/advance.ts";
import { sendSignal } from "../shared/engine/control.ts";
import { createEngine, type Engine } from "../shared/engine/settings.ts";
import { start } from "../shared/engine/start.ts";
import { grown } from "./workflows.ts";

export interface BenchEngine {
  engine: Engine;
  /** Starts a run of so many events, and brings it to where it waits. */
  grow(runId: string, events: number): Promise<void>;
  /** Signals runs, and brings each to where it waits again. */
  wake(runIds: string[]): Promise<void>;
  /** As `wake` of one run, but answers what the wake alone took, from its message to its park. */
  timedWake(runId: string): Promise<{ ms: number; cpuMs: number }>;
  close(): Promise<void>;
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const runners = {
  ask: () => Promise.reject(new Error("Expected no remote run in a benchmark.")),
};

export async function benchEngine(dir: string, residentRunsMax: number): Promise<BenchEngine> {
  const ports = await localPorts({ dir });
  const settings = { owner: `bench-${process.pid}`, codeHash: "bench", legMs: 900_000 };
  const engine = createEngine(
    { ...ports, runners },
    { workflows: [grown], log: silent, settings, residentRunsMax },
  );
  const signal = (runId: string) => sendSignal(engine, { runId, name: "go", payload: null, strict: true });
  const advanceAll = async (count: number): Promise<void> => {
    for (let left = count; left > 0; ) {
      const messages = await ports.queue.receive("work", { max: 10, waitMs: 1_000 });
      if (messages.length === 0) throw new Error(`Expected ${left} more wakes, got none.`);
      await Promise.all(messages.map(({ body }) => advance(engine, body)));
      await ports.queue.acknowledge(
        "work",
        messages.map(({ receipt }) => receipt),
      );
      left -= messages.length;
    }
  };
  return {
    engine,
    async grow(runId, events) {
      await start(engine, { workflow: grown.name, runId, input: { events } });
      await advanceAll(1);
    },
    async wake(runIds) {
      await Promise.all(runIds.map(signal));
      await advanceAll(runIds.length);
    },
    async timedWake(runId) {
      await signal(runId);
      const cpu = process.cpuUsage();
      const from = performance.now();
      await advanceAll(1);
      const { user, system } = process.cpuUsage(cpu);
      return { ms: performance.now() - from, cpuMs: (user + system) / 1_000 };
    },
    close: () => ports.close(),
  };
}
