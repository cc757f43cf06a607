/** Who calls managed and mirrored runs, several at a time: owners, workers that come back too late, people, mirrors. */
import type { Json, JsonObject } from "../../../shared/core/json.ts";
import type { Random } from "../random.ts";
import type { Scenario, Stage } from "../scenarios.ts";
import type { Answer, Call, Callers } from "./calls.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const SHORT_MS = [0, 0, 0, 5, 200, 3_000];
const TTLS_MS = [2_000, 20_000, 10 * MINUTE_MS];
const LARGE = 40_000;

/** One of them, at one run. */
class Actor {
  readonly callers: Callers;
  readonly random: Random;
  readonly sleep: (ms: number) => Promise<void>;
  readonly runId: string;

  constructor({ client, random, sleep }: Stage, runId: string, name: string) {
    this.callers = client.world.driven.callers;
    this.random = random.stream(name);
    this.sleep = sleep;
    this.runId = runId;
  }

  /** Asks once, or with a key until it is answered; then, at times, again, and with another body. */
  async ask(
    kind: Call["kind"],
    path: string,
    bodyOf?: (mark: string) => Json,
    more: Partial<Call> = {},
  ): Promise<Answer | undefined> {
    const { callers, runId } = this;
    const mark = callers.mark();
    const body = bodyOf?.(mark);
    const call = { kind, runId, mark, path, ...(body === undefined ? {} : { body }), ...more };
    const { cover } = callers.world;
    // What has a key is in its asker's hands until it is answered.
    cover.inHand++;
    let answer = await callers.ask(call);
    while (call.key !== undefined && (answer === undefined || answer.body?.code === "WriteConflict")) {
      await this.sleep(this.random.between(1, 2_000));
      answer = await callers.ask(call);
    }
    cover.inHand--;
    cover.check(runId);
    if (call.key !== undefined && answer !== undefined && answer.status < 300 && this.random.chance(0.2))
      await this.#again(call);
    return answer;
  }

  async #again(call: Parameters<Callers["ask"]>[0]): Promise<void> {
    const { callers, runId } = this;
    const violate = (message: string) => callers.world.checker.violate("driven", runId, message);
    const answer = await callers.ask(call);
    if (answer !== undefined && answer.status >= 300 && answer.body?.code !== "WriteConflict")
      violate(`${call.kind} ${call.mark} with its key again was answered ${JSON.stringify(answer.body)}`);
    // One that changed nothing has left nothing by which its key is known.
    if (call.kind === "lease" || callers.calls.get(call.mark)?.stored === undefined) return;
    const mark = callers.mark();
    const other = JSON.parse(JSON.stringify(call.body).replaceAll(call.mark, mark)) as Json;
    const answered = await callers.ask({ ...call, mark, body: other, isRival: true });
    if (answered !== undefined && !/^(Idempotency|Write)Conflict$/.test(answered.body?.code))
      violate(`${call.kind} ${mark} has the key of ${call.mark}, and was answered ${answered.status}`);
  }

  /** Bound to what it has read, with a key, both, or neither. */
  async conditions(): Promise<{ more: Partial<Call>; state: JsonObject }> {
    const { random, callers, runId } = this;
    const more: Partial<Call> = {};
    if (random.chance(0.3)) more.key = `key of ${callers.mark()}`;
    if (random.chance(0.4)) return { more, state: {} };
    const read = await callers.read(runId);
    if (read?.status !== 200) return { more, state: {} };
    // Others get in between.
    await this.sleep(random.pick(SHORT_MS));
    return { more: { ...more, ifMatch: Number(read.body.revision) }, state: read.body.state as JsonObject };
  }

  rest(): Promise<void> {
    return this.sleep(this.random.pick([...SHORT_MS, ...SHORT_MS, 30_000]));
  }
}

async function own(actor: Actor, times: number): Promise<void> {
  const { random } = actor;
  for (let time = 0; time < times; time++) {
    const { more, state } = await actor.conditions();
    const { key: _key, ...unkeyed } = more;
    const count: JsonObject = more.ifMatch === undefined ? {} : { count: Number(state.count ?? 0) + 1 };
    switch (random.pick(["wait", "continue", "continue", "patch", "patch", "pause", "large"] as const)) {
      case "wait":
        await actor.ask("wait", "/wait", (mark) => ({ wait: { for: mark }, step: `waits ${mark}` }), more);
        break;
      case "continue":
        await actor.ask("continue", "/continue", (mark) => ({ patch: { ...count, last: mark } }), more);
        break;
      case "large":
        await actor.ask(
          "continue",
          "/continue",
          (mark) => ({ patch: { large: "x".repeat(LARGE) }, step: mark }),
          more,
        );
        break;
      case "patch":
        await actor.ask("patch", "/state", (mark) => ({ ...count, last: mark }), unkeyed);
        break;
      case "pause":
        await actor.ask("pause", "/pause", (reason) => ({ reason }), more);
        await actor.rest();
        await actor.ask("resume", "/resume", (reason) => ({ reason }), {
          key: `resumes ${time}${random.next()}`,
        });
    }
    await actor.rest();
  }
}

/** Takes the lease, works under it, and goes on under its generation though it may be another's by now. */
async function work(actor: Actor, token: string, times: number): Promise<void> {
  const { random } = actor;
  for (let time = 0; time < times; time++) {
    const key = random.chance(0.3) ? { key: `${token} ${time}` } : {};
    // No two terms of a worker are as long: each is known by its end.
    const ttl = (random.pick(TTLS_MS) + time) / SECOND_MS;
    const lease = await actor.ask("lease", "/lease", () => ({ token, ttl }), { token, ...key });
    if (lease?.status === 200) await workUnder(actor, token, Number(lease.body.generation));
    if (random.chance(0.3)) await actor.ask("release", `/lease?token=${token}`, undefined, { token });
    await actor.rest();
  }
}

async function workUnder(actor: Actor, token: string, generation: number): Promise<void> {
  const { random } = actor;
  const under = { token, generation };
  const key = random.chance(0.5) ? { key: `step ${random.next()}` } : {};
  const step = await actor.ask(
    "step",
    "/steps",
    (mark) => ({ name: `does ${mark}`, ...(random.chance(0.5) ? { retryCount: 0 } : {}) }),
    { ...under, ...key },
  );
  if (step === undefined || step.status >= 300) return;
  // At times it stands still for longer than its lease holds.
  await actor.sleep(random.pick([0, 0, 500, 2_500, 25_000]));
  const path = `/steps/${step.body.stepId}`;
  if (random.chance(0.5)) {
    const ids = [0, 1, 2];
    const added = await actor.ask(
      "items",
      `${path}/items`,
      (mark) => ids.map((n) => ({ type: "part", id: `${mark} ${n}` })),
      under,
    );
    if (added !== undefined && added.status < 300)
      await actor.ask(
        "itemChange",
        `${path}/items`,
        (mark) =>
          (added.body.items as { itemId: string; id: string }[]).map(({ itemId, id }) => ({
            itemId,
            status: random.pick(["running", "completed", "failed"]),
            output: { by: mark, id },
          })),
        under,
      );
  }
  await actor.sleep(random.pick([0, 0, 2_500]));
  const status = random.pick(["completed", "failed", "running", "skipped"]);
  await actor.ask("change", path, (mark) => ({ status, context: { by: mark } }), under);
}

/** Asks at a gate; two decide, not always alike. */
async function decide(stage: Stage, actor: Actor, times: number): Promise<void> {
  const { random, runId } = actor;
  for (let time = 0; time < times; time++) {
    const timeout: JsonObject = random.chance(0.4) ? { timeout: random.pick(["1s", "40s", "20m"]) } : {};
    // Where its wake may be lost, its time-out is promised to those alone who were answered.
    const isSure = stage.client.world.isLossy || random.chance(0.5);
    const key = isSure ? { key: `gate ${random.next()}` } : {};
    const gate = await actor.ask("gate", "/gates", (mark) => ({ name: `gate-${mark}`, ...timeout }), key);
    if (gate === undefined || gate.status >= 300) continue;
    const one = async (name: string) => {
      const person = new Actor(stage, runId, `${name} ${time}`);
      await person.rest();
      const kind = person.random.pick(["approve", "approve", "reject"] as const);
      const path = `/gates/${gate.body.name}/${kind}`;
      await person.ask(kind, path, (feedback) => ({ feedback }), { key: `${name} ${time}` });
    };
    await Promise.all([one("ada"), one("ben")]);
  }
}

/** Another system's steps: its reports are late, doubled, and out of order. */
async function mirror(actor: Actor, from: number, times: number): Promise<void> {
  const { random } = actor;
  for (let time = 0; time < times; time++) {
    const status = random.pick(["pending", "running", "waiting", "completed", "failed", "cancelled"]);
    const at: JsonObject = random.chance(0.7)
      ? { at: new Date(from + random.between(0, 20) * SECOND_MS).toISOString() }
      : {};
    const path = `/observations/x${random.between(1, 3)}`;
    await actor.ask("observe", path, (mark) => ({ name: "does", status, output: { by: mark }, ...at }));
    await actor.rest();
  }
}

async function send(actor: Actor, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    await actor.ask("signal", "/signals/note", (mark) => ({ mark }));
    await actor.rest();
  }
}

/** Somebody asks it to end, at any time. */
async function stop(actor: Actor): Promise<void> {
  const { random } = actor;
  await actor.sleep(random.pick([0, 2_000, 20_000, MINUTE_MS]));
  const { more } = await actor.conditions();
  const isFinal = random.chance(0.3);
  await actor.ask(
    isFinal ? "end" : "cancel",
    "/cancel",
    (reason) => ({ reason, ...(isFinal ? { final: true } : {}) }),
    more,
  );
}

/** Whoever is last closes it, and is answered. */
async function close(actor: Actor): Promise<void> {
  const { random } = actor;
  const key = { key: "the last" };
  const ending = random.pick(["finish", "fail", "end"] as const);
  if (ending === "finish")
    await actor.ask("finish", "/finish", (mark) => ({ output: { by: mark }, patch: { closed: true } }), key);
  if (ending === "fail")
    await actor.ask("fail", "/fail", (error) => ({ error, patch: { closed: true } }), key);
  await actor.ask("end", "/cancel", (reason) => ({ reason, final: true }), { key: "the very last" });
}

const drive =
  (driver: "managed" | "mirrored"): Scenario =>
  async (stage, runId) => {
    const { client, random, now } = stage;
    const timeoutMs = random.pick([undefined, undefined, undefined, 30 * SECOND_MS, 30 * MINUTE_MS]);
    await client.start({
      workflow: `any ${driver}`,
      driver,
      runId,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    const actor = (name: string) => new Actor(stage, runId, name);
    const from = now();
    const many = () => random.between(1, 3);
    const acts = [own(actor("owner 1"), many()), own(actor("owner 2"), many())];
    if (random.chance(0.5)) acts.push(send(actor("sender"), many()));
    if (random.chance(0.5)) acts.push(decide(stage, actor("asks"), many()));
    if (random.chance(0.3)) acts.push(stop(actor("stops")));
    for (const name of ["w1", "w2", "w3"])
      acts.push(
        driver === "managed" ? work(actor(name), name, many()) : mirror(actor(name), from, 2 * many()),
      );
    await Promise.all(acts);
    await close(actor("last"));
    if (driver === "mirrored") await mirror(actor("late"), from, 2);
  };

export const drivenScenarios: Record<string, Scenario> = {
  managed: drive("managed"),
  mirrored: drive("mirrored"),
};
