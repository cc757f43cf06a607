/**
 * A process that stores as fast as it can until it is killed. It says on a line of its own what was answered as stored,
 * only once it was: `append <runId> <inc> <sequence>`, `sent <body>`, `acknowledged <body>`, `blob <key>`.
 */
import { localPorts } from "../../shared/adapters/local/index.ts";
import { aNewRun, anEntry, noise } from "./builders.ts";

const { journal, queue, blobs, clock } = await localPorts({ dir: process.argv[2]! });
/** Resolves once the line is out of this process: what a full pipe leaves waiting here dies with it. */
const say = (line: string) =>
  new Promise<void>((resolve) => void process.stdout.write(`${line}\n`, () => resolve()));

async function appendForEver(): Promise<void> {
  const run = aNewRun(clock, { runId: `run-${clock.id()}` });
  await journal.create(run);
  await say(`append ${run.runId} ${run.inc} 0`);
  for (let sequence = 1; ; sequence++) {
    await journal.append(run, anEntry(clock, sequence), run.expiresAt);
    await say(`append ${run.runId} ${run.inc} ${sequence}`);
  }
}

async function sendForEver(): Promise<void> {
  for (let number = 0; ; number++) {
    await queue.send("work", [{ runId: "r", body: `message-${number}` }]);
    await say(`sent message-${number}`);
    if (number % 2 === 0) continue;
    const [message] = await queue.receive("work", { max: 1, waitMs: 0 });
    await queue.acknowledge("work", [message!.receipt]);
    await say(`acknowledged ${message!.body}`);
  }
}

async function putForEver(): Promise<void> {
  for (let number = 0; ; number++) {
    await blobs.put(`runs/r/${number}`, new TextEncoder().encode(noise(50_000, number + 1)));
    await say(`blob runs/r/${number}`);
  }
}

await Promise.all([...Array.from({ length: 20 }, appendForEver), sendForEver(), putForEver()]);
