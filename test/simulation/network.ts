/** `fetch` as the steps of the examples have it: on virtual time, answered by the simulated services. */
import type { World } from "./world.ts";

let world: World | undefined;

/** From now on requests go to the services of that world. */
export function connect(to: World): void {
  world = to;
  globalThis.fetch = simulatedFetch;
}

const simulatedFetch = async (input: unknown, init: RequestInit = {}): Promise<Response> => {
  const { pathname } = new URL(String(input));
  const key = new Headers(init.headers).get("idempotency-key")!;
  const { services, callers, random } = world!;
  const { clock } = callers.get(key)!.engine;
  await clock.sleep(random.between(0, 500), init.signal ?? undefined);
  init.signal?.throwIfAborted();
  const { status, body } = services.answer(pathname, key, JSON.parse(String(init.body)));
  await clock.sleep(random.between(0, 500), init.signal ?? undefined);
  init.signal?.throwIfAborted();
  return Response.json(body, { status });
};
