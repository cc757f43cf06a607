/**
 * A caller of the API. It lives in no process of ours: it asks one, waits, and asks another when there is no answer
 * or none that can be used. Whoever asks twice asks for the same.
 */
import { never } from "../../shared/adapters/simulated/life.ts";
import { StepfoldError } from "../../shared/core/errors.ts";
import { tokenTarget } from "../../shared/core/ids.ts";
import type { Json, JsonObject } from "../../shared/core/json.ts";
import type { RunState } from "../../shared/core/state.ts";
import {
  patchState,
  pause,
  redrive,
  requestCancel,
  resume,
  type SignalRequest,
  type StartRequest,
  sendSignal,
  start,
} from "../../shared/engine/control.ts";
import { type CallbackOutcome, decideGate, useCallback } from "../../shared/engine/decisions.ts";
import { requestIdOf } from "../../shared/engine/requests.ts";
import type { Engine } from "../../shared/engine/settings.ts";
import type { World } from "./world.ts";

const PATIENCE_MS = 29_000;

interface Asking {
  /** Never ask again, whatever comes back: nobody knows then whether it was done. */
  once?: boolean;
  /** Codes that are an answer. */
  refusals?: readonly string[];
}

export class Client {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  async start(request: StartRequest & { runId: string }, options?: Asking): Promise<void> {
    await this.#ask(request.runId, "start", (engine) => start(engine, request), options);
  }

  /** Answers whether it was accepted. */
  signal(request: SignalRequest & { signalId: string }, options?: Asking): Promise<boolean> {
    const call = (engine: Engine) => sendSignal(engine, request);
    return this.#ask(request.runId, `signal ${request.signalId}`, call, options);
  }

  /** Answers whether it was accepted. */
  cancel(runId: string, options?: Asking): Promise<boolean> {
    const call = (engine: Engine) => requestCancel(engine, runId, { reason: "asked to" });
    return this.#ask(runId, "cancel", call, options);
  }

  /** Answers whether it was accepted. */
  patch(runId: string, patch: JsonObject, options?: Asking): Promise<boolean> {
    return this.#ask(runId, "patch", (engine) => patchState(engine, runId, { patch }), options);
  }

  /** Looks until the run has come so far. */
  async until(runId: string, isSo: (state: RunState) => boolean): Promise<void> {
    while (!isSo(this.world.checker.runs.get(runId)!.state)) {
      await this.world.sleep(5_000);
      if (this.world.isOver) return never();
    }
  }

  /** `key` makes it happen once, however often it is asked for. */
  async pause(runId: string, key: string): Promise<void> {
    const requestId = requestIdOf("pause", key, undefined);
    await this.#ask(runId, "pause", (engine) => pause(engine, runId, { requestId }));
  }

  async resume(runId: string, key: string): Promise<void> {
    const requestId = requestIdOf("resume", key, undefined);
    await this.#ask(runId, "resume", (engine) => resume(engine, runId, { requestId }));
  }

  async redrive(runId: string, key: string, from?: string): Promise<void> {
    const requestId = requestIdOf("redrive", key, undefined);
    const request = { requestId, ...(from === undefined ? {} : { from }) };
    await this.#ask(runId, "redrive", (engine) => redrive(engine, runId, request));
  }

  async approve(runId: string, gate: string): Promise<void> {
    const decision = { approved: true, feedback: "fine" };
    await this.#ask(runId, "approve", (engine) => decideGate(engine, runId, gate, decision));
  }

  async succeed(runId: string, token: string, output: Json): Promise<void> {
    await this.#ask(runId, "succeed", (engine) => useCallback(engine, token, { output }));
  }

  /** Decides a gate that may no longer be open. */
  async decide(runId: string, gate: string, approved: boolean): Promise<void> {
    const call = (engine: Engine) => decideGate(engine, runId, gate, { approved });
    await this.#ask(runId, "decide", call, { refusals: ["NotWaiting"] });
  }

  /** Uses a token that may have expired. */
  async answer(token: string, outcome: CallbackOutcome): Promise<void> {
    const { runId } = tokenTarget(token)!;
    const call = (engine: Engine) => useCallback(engine, token, outcome);
    await this.#ask(runId, "answer", call, { refusals: ["TokenExpired"] });
  }

  async #ask(
    runId: string,
    what: string,
    call: (engine: Engine) => Promise<unknown>,
    asking: Asking = {},
  ): Promise<boolean> {
    const { world } = this;
    // What it asks for is in its hands until it is answered: it would ask again.
    world.cover.inHand++;
    const isAccepted = await this.#untilAnswered(runId, what, call, asking);
    world.cover.inHand--;
    world.cover.check(runId);
    return isAccepted;
  }

  async #untilAnswered(
    runId: string,
    what: string,
    call: (engine: Engine) => Promise<unknown>,
    { once = false, refusals = [] }: Asking,
  ): Promise<boolean> {
    const { world } = this;
    for (;;) {
      const process = world.anApi();
      world.trace("client", `asks ${process.name} to ${what} ${runId}`);
      const answer = await world.answered(process, () => call(process.engine), PATIENCE_MS);
      if (world.isOver) return never();
      if (answer === "done") return true;
      if (answer instanceof StepfoldError && ["RunFinished", ...refusals].includes(answer.code)) return false;
      if (answer !== "silence" && !process.expects(answer))
        world.checker.violate("errors", runId, `To ${what} was answered ${String(answer)}`);
      // Where wakes are lost too, the sweep is promised to those alone who were answered.
      if (once && !world.isLossy) return false;
      await world.sleep(1 + world.random.between(0, 1_000));
    }
  }
}
