/**
 * Runners of remote workflows, elsewhere: over HTTP or as Lambda functions.
 *
 * 1. `ask` puts one turn to a runner, once, and answers the JSON that came back. The same turn may be asked again,
 *    by this process or another: its `id` says so to the runner.
 * 2. It ends when `signal` aborts, at the latest; how long a turn may take is the caller's matter.
 * 3. What may be mended by asking again (no connection, 408, 425, 429, 5xx, no JSON, a secret or address that is not
 *    there) is `RunnerUnavailable`. What cannot is `RunnerRefused` (any other status) or `RunnerProtocolError` (an
 *    answer above `TURN_BYTES_MAX`).
 * 4. Redirects are not followed. No address, header or secret reaches an error or a log.
 */
import type { Json } from "../core/json.ts";
import type { Runner } from "../core/remote/remote.ts";

export interface Turn {
  /** The same for each try of one turn, and for no other turn. */
  id: string;
  runId: string;
  workflow: string;
  /** The request, as JSON: what is signed is what is sent. */
  body: string;
}

export interface Runners {
  ask(runner: Runner, turn: Turn, signal: AbortSignal): Promise<Json>;
}
