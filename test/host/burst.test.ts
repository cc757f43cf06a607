/** Many senders, one busy run: over HTTP, through the real queue and the real store. */
import { afterEach, expect, test } from "vitest";
import { localBackend } from "../../cli/host/backend.ts";
import { startHost } from "../../cli/host/host.ts";
import { createClient } from "../../shared/client/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { aDirectory } from "./command.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const [SENDERS, EACH] = [50, 20];

interface Note {
  sender: number;
  number: number;
}

/** Takes what comes, and is busy with a step in between. */
const inbox = workflow("inbox", async (run, { notes }: { notes: number }) => {
  const taken: Note[] = [];
  while (taken.length < notes) {
    taken.push(await run.waitForSignal<Note>("note"));
    if (taken.length % 25 === 0) await run.step("file", () => taken.length);
  }
  return taken;
});

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

test("a thousand signals from fifty senders to one busy run are all delivered once, in order per sender", async () => {
  const backend = await localBackend(aDirectory(), "me");
  const settings = { owner: "me", codeHash: "test", ...backend.settings };
  const engine = createEngine(backend.ports, { workflows: [inbox], log, settings });
  const host = await startHost({ engine, port: 0, receivers: 1, isAlone: true });
  closing.push(host.close, backend.close);
  const client = createClient({ url: host.url });
  const run = await client.start(inbox, { notes: SENDERS * EACH });

  const send = async (sender: number) => {
    for (let number = 0; number < EACH; number++) await client.signal(run.runId, "note", { sender, number });
  };
  await Promise.all(Array.from({ length: SENDERS }, (_, sender) => send(sender)));

  const taken = await client.result(run);
  expect(taken).toHaveLength(SENDERS * EACH);
  for (let sender = 0; sender < SENDERS; sender++) {
    const own = taken.filter((note) => note.sender === sender).map(({ number }) => number);
    expect(own).toEqual(Array.from({ length: EACH }, (_, number) => number));
  }
  const ids = new Set<string>();
  let after = 0;
  for (let more = true; more; ) {
    const { items, cursor } = await client.signals(run.runId, { after });
    for (const { signalId } of items) ids.add(signalId);
    more = cursor !== undefined;
    after = Number(cursor);
  }
  expect(ids.size).toBe(SENDERS * EACH);
});
