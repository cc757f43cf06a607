/** What outside workers are answered: leases, steps, items. */
import type { Item } from "../../core/driven.ts";
import type { Operation } from "../../core/state.ts";
import type { Lease } from "../../engine/drivers/lease.ts";
import type { Engine } from "../../engine/settings.ts";
import type { ItemView, LeaseView, StepView } from "../schemas/driven.ts";
import type { Page } from "./journal.ts";
import { operationView } from "./operations.ts";
import { Budget, iso } from "./payloads.ts";

export const leaseView = ({ generation, until, cancel }: Lease): LeaseView => ({
  generation,
  until: iso(until),
  cancel: cancel && { reason: cancel.reason, by: cancel.by, at: iso(cancel.at) },
});

export const stepView = async (engine: Engine, step: Operation): Promise<StepView> => ({
  stepId: step.id,
  ...(await operationView(engine, step)),
});

/** The cursor is the place of the next item in the order of their coming, which never changes. */
export async function itemsPage(
  engine: Engine,
  items: readonly Item[],
  { status, limit, cursor = 0 }: { status?: string; limit: number; cursor?: number },
): Promise<Page<ItemView>> {
  const wanted = status?.split(",");
  const budget = new Budget(engine);
  const shown: ItemView[] = [];
  for (const [place, item] of items.entries()) {
    if (place < cursor || (wanted !== undefined && !wanted.includes(item.status))) continue;
    const isFull = shown.length === limit || (item.output !== undefined && !budget.fits(item.output));
    if (shown.length > 0 && isFull) return { items: shown, cursor: String(place) };
    shown.push(await viewOf(item, budget));
  }
  return { items: shown };
}

export async function itemsView(engine: Engine, items: readonly Item[]): Promise<ItemView[]> {
  const budget = new Budget(engine);
  const views: ItemView[] = [];
  for (const item of items) views.push(await viewOf(item, budget));
  return views;
}

async function viewOf(
  { ref, context, output, requestId: _requestId, ...rest }: Item,
  budget: Budget,
): Promise<ItemView> {
  return {
    ...rest,
    ref: await budget.show(ref),
    context: await budget.show(context),
    output: await budget.show(output),
  };
}
