/** What the outside does to a run of a program: its script, and the people and services that its parts wait for. */
import type { StepContext } from "../../../shared/core/context.ts";
import { Client } from "../client.ts";
import type { Stage } from "../scenarios.ts";
import type { World } from "../world.ts";
import type { Stagehand } from "./interpreter.ts";
import type { Ledger, Played } from "./ledger.ts";
import { type Node, type Program, type ProgramInput, signalsOf } from "./program.ts";

/** A queue drops what has the id of a message of the last five minutes. */
const DROPPED_WITHIN_MS = 600_000;

/** Starts a run of the program, and does what its script says. */
export async function play(stage: Stage, ledger: Ledger, program: Program, runId: string): Promise<void> {
  const { client, sleep } = stage;
  const signals = signalsOf(program).map((name, n) => ({ n, name, answeredAt: undefined }));
  const played: Played = { program, signals };
  ledger.played.set(runId, played);
  const input: ProgramInput = { root: program.root, left: program.links, reports: [] };
  await client.start({
    workflow: "generated",
    runId,
    input: JSON.parse(JSON.stringify(input)),
    ...(program.timeoutMs === undefined ? {} : { timeoutMs: program.timeoutMs }),
  });
  const { cancelMs, pause, patchMs, redrive } = program;
  const later = async (ms: number | undefined, act: () => Promise<void>) => {
    if (ms === undefined) return;
    await sleep(ms);
    await act();
  };
  const mending = later(redrive?.afterMs, () => mend(stage, played, runId));
  await Promise.all([
    mending,
    send(stage, played, runId, mending),
    later(cancelMs, () => cancel(stage, played, runId)),
    later(pause?.atMs, async () => {
      await client.pause(runId, "pause");
      await sleep(pause!.forMs);
      await client.resume(runId, "resume");
    }),
    later(patchMs, async () => {
      played.isPatchSent = true;
      if (await client.patch(runId, { patched: true })) played.patchedAt = stage.now();
    }),
  ]);
}

/** Waits for the end of the run's last link; where that is not well, mends what was broken, and redrives it. */
async function mend({ client, sleep }: Stage, played: Played, runId: string): Promise<void> {
  const { afterMs, from } = played.program.redrive!;
  const { runs } = client.world.checker;
  let last = runId;
  for (;;) {
    await client.until(last, ({ finished }) => finished !== undefined);
    const { continuedTo } = runs.get(last)!.state;
    if (continuedTo === undefined) break;
    while (!runs.has(continuedTo)) await sleep(5_000);
    last = continuedTo;
  }
  const { finished, operations } = runs.get(last)!.state;
  if (finished!.status === "completed") return;
  await sleep(afterMs);
  client.world.services.healed.add(last);
  const names = [...operations.values()].flatMap(({ kind, name }) => (kind === "compensation" ? [] : [name]));
  const named = from === undefined ? undefined : names[from % names.length];
  played.redriven = last;
  await client.redrive(last, "again", named);
}

/**
 * What a run that has ended refuses is sent again, before all that comes after it, once the run is redriven. What was
 * accepted and found its run ended is sent again after all.
 */
async function send(
  { client, sleep, now }: Stage,
  played: Played,
  runId: string,
  mending: Promise<void>,
): Promise<void> {
  const { gapsMs } = played.program;
  for (const sent of played.signals) {
    const { n, name } = sent;
    await sleep(gapsMs[n % gapsMs.length]!);
    const ask = () => client.signal({ runId, name, payload: n, signalId: `signal-${n}` });
    let isAccepted = await ask();
    if (!isAccepted) {
      await mending;
      isAccepted = played.redriven !== undefined && (await ask());
    }
    if (isAccepted) sent.answeredAt = now();
  }
  await mending;
  if (played.redriven === undefined) return;
  await sleep(DROPPED_WITHIN_MS);
  for (const sent of played.signals) {
    const { n, name } = sent;
    if (isStored(client, runId, `signal-${n}`)) continue;
    sent.cameLate = true;
    await client.signal({ runId, name, payload: n, signalId: `signal-${n}` });
  }
}

/** In the journal of the run, or of one that it went on as. */
function isStored(client: Client, runId: string, signalId: string): boolean {
  const state = client.world.checker.runs.get(runId)?.state;
  if (state === undefined) return false;
  return (
    state.signals.has(signalId) ||
    (state.continuedTo !== undefined && isStored(client, state.continuedTo, signalId))
  );
}

async function cancel({ client, now }: Stage, played: Played, runId: string): Promise<void> {
  played.cancelledAt = now();
  played.isCancelAnswered = await client.cancel(runId);
  played.cancelledAt = now();
}

/** Those whom the parts of programs ask: they see that they are asked, take their time, and answer. */
export class Attendants {
  readonly #world: World;
  readonly #client: Client;
  readonly #asked = new Map<string, Gate>();
  readonly #tokens = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    this.#client = new Client(world);
  }

  /** What the parts of programs do in a process of this world. */
  stagehand(busy: (step: StepContext, ms: number) => Promise<void>): Stagehand {
    return {
      begin: (runId, at, attempt) => this.#world.ledger.begin(runId, at, attempt),
      busy,
      isMended: (runId) => this.#world.services.healed.has(runId),
      asks: (runId, at, gate) => void this.#asked.set(`${runId} ${at}`, gate),
      handToken: (token, at, node) => void this.#use(token, at, node),
    };
  }

  /** A gate is there to be seen. */
  async opened(runId: string, at: string): Promise<void> {
    const gate = this.#asked.get(`${runId} ${at}`);
    if (gate === undefined) return;
    await this.#world.sleep(gate.answerMs);
    if (!this.#world.isOver) await this.#client.decide(runId, at, gate.approved);
  }

  async #use(token: string, at: string, { fails, answerMs }: Node & { do: "callback" }): Promise<void> {
    if (this.#tokens.has(token)) return;
    this.#tokens.add(token);
    await this.#world.sleep(answerMs);
    if (!this.#world.isOver)
      await this.#client.answer(token, fails ? { error: { message: at } } : { output: at });
  }
}

type Gate = Node & { do: "gate" };
