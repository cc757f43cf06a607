/**
 * The shop's services as a sandbox on this machine, for the test and the demo: a real HTTP server that charges,
 * gives back and ships in memory. It does each thing once for an idempotency key, however often it is asked.
 *
 * Cards decide what happens: `declinedCard` is refused, `flakyCard` gets 503 twice for each key before it works,
 * `slowCard` is charged at once but answered late.
 */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export const goodCard = "4242424242424242";
export const declinedCard = "4000000000000002";
export const flakyCard = "4000000000000341";
export const slowCard = "4000000000003220";

const FAILURES_OF_FLAKY_CARD = 2;
const LATENCY_OF_SLOW_CARD_MS = 2_000;

export interface Sandbox {
  url: string;
  charges: { chargeId: string; orderId: string; amountCents: number }[];
  refunds: { chargeId: string }[];
  parcels: { parcelId: string; orderId: string }[];
  /** Every request that came, those that failed or were repeated too. */
  requests: { path: string; orderId?: string; key: string; status: number }[];
  close(): Promise<void>;
}

interface Body {
  orderId: string;
  amountCents: number;
  card: string;
  chargeId: string;
}

interface Answer {
  status: number;
  body: object;
}

/** `latencyMs` is how long each answer takes: what was asked for is done by then, whether the asker lives or not. */
export async function openSandbox(options: { latencyMs?: number } = {}): Promise<Sandbox> {
  const sandbox: Omit<Sandbox, "url" | "close"> = { charges: [], refunds: [], parcels: [], requests: [] };
  const answers = new Map<string, Answer>();
  const failures = new Map<string, number>();

  const answer = (path: string, key: string, body: Body): Answer => {
    const known = answers.get(key);
    if (known !== undefined) return known;
    if (path === "/charges" && body.card === flakyCard) {
      const failed = failures.get(key) ?? 0;
      failures.set(key, failed + 1);
      if (failed < FAILURES_OF_FLAKY_CARD) return { status: 503, body: { detail: "try again" } };
    }
    const fresh = act(sandbox, path, key, body);
    answers.set(key, fresh);
    return fresh;
  };

  const server = createServer(async (request, response) => {
    const path = request.url ?? "/";
    const key = String(request.headers["idempotency-key"]);
    const body = JSON.parse(await textOf(request)) as Body;
    const { status, body: answered } = answer(path, key, body);
    sandbox.requests.push({
      path,
      key,
      status,
      ...(body.orderId === undefined ? {} : { orderId: body.orderId }),
    });
    const latencyMs = (options.latencyMs ?? 0) + (body.card === slowCard ? LATENCY_OF_SLOW_CARD_MS : 0);
    setTimeout(() => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answered));
    }, latencyMs);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    ...sandbox,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function act(sandbox: Omit<Sandbox, "url" | "close">, path: string, key: string, body: Body): Answer {
  const { orderId, amountCents, card, chargeId } = body;
  switch (path) {
    case "/charges":
      if (card === declinedCard) return { status: 402, body: { detail: "insufficient funds" } };
      sandbox.charges.push({ chargeId: `charge-${key}`, orderId, amountCents });
      return { status: 200, body: { chargeId: `charge-${key}` } };
    case "/refunds":
      sandbox.refunds.push({ chargeId });
      return { status: 200, body: { chargeId } };
    case "/parcels":
      sandbox.parcels.push({ parcelId: `parcel-${key}`, orderId });
      return { status: 200, body: { parcelId: `parcel-${key}` } };
    default:
      return { status: 404, body: { detail: path } };
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk as string;
  return text;
}
