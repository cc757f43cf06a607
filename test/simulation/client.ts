/**
 * A caller of the API. It lives in no process of ours: it asks one, waits, and asks another when there is no answer
 * or none that can be used. Whoever asks twice asks for the same.
 */
import { never } from "../../shared/adapters/simulated/life.ts";
import { StepfoldError } from "../../shared/core/errors.ts";
import type { JsonObject } from "../../shared/core/json.ts";
import {
  patchState,
  requestCancel,
  type SignalRequest,
  type StartRequest,
  sendSignal,
  start,
} from "../../shared/engine/control.ts";
import type { Engine } from "../../shared/engine/settings.ts";
import type { World } from "./world.ts";

const PATIENCE_MS = 29_000;

export class Client {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  async start(request: StartRequest & { runId: string }): Promise<void> {
    await this.#ask(request.runId, "start", (engine) => start(engine, request));
  }

  async signal(request: SignalRequest & { signalId: string }): Promise<void> {
    await this.#ask(request.runId, `signal ${request.signalId}`, (engine) => sendSignal(engine, request));
  }

  async cancel(runId: string): Promise<void> {
    await this.#ask(runId, "cancel", (engine) => requestCancel(engine, runId, { reason: "asked to" }));
  }

  async patch(runId: string, patch: JsonObject): Promise<void> {
    await this.#ask(runId, "patch", (engine) => patchState(engine, runId, { patch }));
  }

  async #ask(runId: string, what: string, call: (engine: Engine) => Promise<unknown>): Promise<void> {
    const { world } = this;
    for (;;) {
      const process = world.anApi();
      world.trace("client", `asks ${process.name} to ${what} ${runId}`);
      const answer = await world.answered(process, () => call(process.engine), PATIENCE_MS);
      if (world.isOver) return never();
      if (answer === "done") return world.cover.check(runId);
      if (answer instanceof StepfoldError && answer.code === "RunFinished") return;
      if (answer !== "silence" && !process.expects(answer))
        world.checker.violate("errors", runId, `To ${what} was answered ${String(answer)}`);
      await world.sleep(1 + world.random.between(0, 1_000));
    }
  }
}
