/**
 * Runners in memory: functions that answer turns, by the name of the workflow. One that throws is one that was not
 * reached.
 */
import type { Json } from "../../core/json.ts";
import type { TurnAction, TurnRequest } from "../../core/remote/protocol.ts";
import type { Runner } from "../../core/remote/remote.ts";
import type { Runners, Turn } from "../../ports/runners.ts";
import { jsonAnswer, unavailable } from "../common/runners.ts";

/** `turnId` is the same for each try of one turn. What it answers is checked as any runner's answer is. */
export type ScriptedRunner = (
  turn: TurnRequest,
  call: { turnId: string; signal: AbortSignal },
) => TurnAction | Promise<TurnAction>;

export class MemoryRunners implements Runners {
  readonly #scripts = new Map<string, ScriptedRunner>();

  script(workflow: string, runner: ScriptedRunner): void {
    this.#scripts.set(workflow, runner);
  }

  async ask(_runner: Runner, turn: Turn, signal: AbortSignal): Promise<Json> {
    const script = this.#scripts.get(turn.workflow);
    if (script === undefined)
      throw unavailable(`nobody plays the runner of ${JSON.stringify(turn.workflow)}: script one`);
    const request = JSON.parse(turn.body) as TurnRequest;
    let answer: unknown;
    try {
      answer = await script(request, { turnId: turn.id, signal });
    } catch (thrown) {
      throw unavailable(thrown instanceof Error ? thrown.message : String(thrown));
    }
    return jsonAnswer(JSON.stringify(answer) ?? "");
  }
}
