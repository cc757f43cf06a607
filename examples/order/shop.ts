/**
 * The services that an order needs, over HTTP. Each call carries the step's idempotency key, and ends when the
 * step's signal aborts.
 */
import type { StepContext } from "stepfold";

/** The bank says no: trying again would not change its mind. */
export class CardDeclined extends Error {
  override name = "CardDeclined";
}

export interface OrderToCharge {
  id: string;
  amountCents: number;
  card: string;
}

export interface OrderToShip {
  id: string;
  lines: { sku: string; quantity: number }[];
}

export const shop = (base: string) => ({
  charge: ({ id, amountCents, card }: OrderToCharge, step: StepContext) =>
    post<{ chargeId: string }>(new URL("/charges", base), { orderId: id, amountCents, card }, step),
  giveBack: (chargeId: string, step: StepContext) =>
    post<{ chargeId: string }>(new URL("/refunds", base), { chargeId }, step),
  ship: ({ id, lines }: OrderToShip, step: StepContext) =>
    post<{ parcelId: string }>(new URL("/parcels", base), { orderId: id, lines }, step),
});

async function post<Answer>(
  url: URL,
  body: object,
  { idempotencyKey, signal }: StepContext,
): Promise<Answer> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
    body: JSON.stringify(body),
    signal,
  });
  if (response.ok) return (await response.json()) as Answer;
  const detail = await response.text();
  if (response.status === 402) throw new CardDeclined(detail);
  throw new Error(`Expected ${url.pathname} to answer 200, got ${response.status}: ${detail}`);
}
