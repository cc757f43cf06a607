/**
 * The examples of the repository in the simulated world: what people do to them, and what they must come to. Their
 * services are in memory and count what they were asked for: each thing once, whatever dies.
 */
import { catalogue, fileImport } from "../../examples/catalogue/workflow.ts";
import { expense } from "../../examples/expense/workflow.ts";
import { mailbox } from "../../examples/onboarding/post.ts";
import { onboarding } from "../../examples/onboarding/workflow.ts";
import { parcel } from "../../examples/parcel/workflow.ts";
import { quotes } from "../../examples/quotes/workflow.ts";
import { farm, studio } from "../../examples/render/studio.ts";
import { render } from "../../examples/render/workflow.ts";
import { till } from "../../examples/subscription/till.ts";
import { subscription } from "../../examples/subscription/workflow.ts";
import { desk } from "../../examples/trip/agency.ts";
import { trip } from "../../examples/trip/workflow.ts";
import type { Json } from "../../shared/core/json.ts";
import type { AnyWorkflow } from "../../shared/core/workflow.ts";
import { completes, type Ended, has, isCancelled, type Model, unlessCrashed } from "./models.ts";
import type { Scenario } from "./scenarios.ts";

export const exampleWorkflows: readonly AnyWorkflow[] = [
  ...[catalogue, fileImport, expense, onboarding, parcel, quotes, render, subscription, trip],
];

/** A world begins with services that know nothing. */
export function forgetExamples(): void {
  for (const service of [mailbox, till, desk]) service.forget();
  studio.forget();
}

const [HOUR_MS, DAY_MS] = [3_600_000, 86_400_000];

const expenseScenario: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "expense", runId, input: { employee: "Ada", euros: 120 } });
  const [role, days] = random.pick<[string, number]>([
    ["manager", 1],
    ["manager", 2],
    ["director", 2.5],
    ["director", 5],
    ["nobody", 0],
  ]);
  await sleep(days * DAY_MS - random.pick([0, 1, 5_000]));
  if (role !== "nobody") await client.decide(runId, role, true);
};

const quotesScenario: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "quotes", runId, input: { carriers: ["a", "b", "c"] } });
  for (const [index, carrier] of ["a", "b", "c"].entries()) {
    await sleep(random.pick([0, 10, 20 * 60_000, HOUR_MS - 5]));
    const payload = { euros: quoteOf(index) };
    await client.signal({ runId, name: `quote of ${carrier}`, payload, signalId: `quote-${index}` });
  }
};
const quoteOf = (index: number): number => [30, 20, 40][index]!;

const subscriptionScenario: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "subscription", runId, input: { customer: runId } });
  await sleep(random.pick([0, 29 * DAY_MS, 30 * DAY_MS, 65 * DAY_MS, 375 * DAY_MS]));
  // A run that has failed early may be gone by then.
  await client.signal({ runId, name: "leave", signalId: "leave" }, { refusals: ["RunNotFound"] });
};

const tripScenario =
  (soldOut: string[], isCancelled: boolean): Scenario =>
  async ({ client, random, sleep }, runId) => {
    await client.start({ workflow: "trip", runId, input: { traveller: "Ada", soldOut } });
    if (!isCancelled) return;
    await sleep(random.pick([0, 5, 20, 3_000, HOUR_MS]));
    await client.cancel(runId);
  };

const starts =
  (workflow: string, input: Json): Scenario =>
  ({ client }, runId) =>
    client.start({ workflow, runId, input });

const files = [
  { name: "one", lines: ["a;1", "b;2.50"] },
  { name: "two", lines: ["c;3"] },
  { name: "bad", lines: ["nothing"] },
  { name: "four", lines: [] },
];

export const exampleScenarios: Record<string, Scenario> = {
  expense: expenseScenario,
  quotes: quotesScenario,
  subscription: subscriptionScenario,
  trip: tripScenario([], false),
  tripSoldOut: tripScenario(["car"], false),
  tripCancelled: tripScenario([], true),
  onboarding: starts("onboarding", { person: "Ada" }),
  parcel: starts("parcel", { id: "p1", grams: 500 }),
  render: starts("render", { scene: "one", frames: 4 }),
  catalogue: starts("catalogue", files),
};

const expenseModel: Model = (ended) => {
  const { approved, role, by } = (ended.output ?? {}) as Record<string, unknown>;
  if (ended.status !== "completed" || by !== null)
    return `Got ${ended.status} ${JSON.stringify(ended.output)}`;
  const decided = ended.events.some(({ type }) => type === "GateDecided");
  if (approved === true) return decided && role !== null ? undefined : "It was approved by nobody";
  return role === null ? undefined : `Refused by ${String(role)}`;
};

const quotesModel: Model = (ended) => {
  const { best, answered } = ended.output as {
    best: { carrier: string; euros: number } | null;
    answered: number;
  };
  const taken = ended.events.filter(({ type }) => type === "SignalDelivered").length;
  if (ended.status !== "completed" || taken !== answered) return `Of ${taken} quotes it took ${answered}`;
  if (best === null) return answered === 0 ? undefined : "It took none";
  return quoteOf("abc".indexOf(best.carrier)) === best.euros ? undefined : `Got ${JSON.stringify(best)}`;
};

const subscriptionModel: Model = unlessCrashed((ended) => {
  const { customer, monthsPaid = 0 } = ended.input as { customer: string; monthsPaid?: number };
  if (ended.status !== "completed") return `It ended ${ended.status}`;
  const isContinued = has(ended, "RunContinued");
  const paid = isContinued ? monthsPaid + 12 : (ended.output as { monthsPaid: number }).monthsPaid;
  for (let month = monthsPaid + 1; month <= paid; month++) {
    const times = till.log.filter((line) => line === `${customer} month ${month}`).length;
    if (times !== 1) return `Month ${month} was charged ${times} times`;
  }
  const more = till.log.includes(`${customer} month ${paid + 1}`);
  return more && !isContinued ? `Month ${paid + 1} was charged after leaving` : undefined;
});

const tripModel: Model = unlessCrashed((ended) => {
  const { soldOut } = ended.input as { soldOut: string[] };
  if (ended.status === "cancelled") return isCancelled(ended);
  if (ended.status === "failed")
    return soldOut.length > 0 && ended.error?.name === "SoldOut" ? undefined : `Got ${ended.error?.name}`;
  const { bookings } = ended.output as { bookings: string[] };
  return soldOut.length === 0 && bookings.length === 3 ? undefined : `Got ${bookings.length} bookings`;
});

const catalogueModel: Model = (ended) => {
  if (ended.status === "failed") return ended.error?.code === "ToleranceExceeded" ? undefined : "It failed";
  const { files: good, failed, products } = ended.output as Record<string, number>;
  return good === 3 && failed === 1 && products === 3 ? undefined : `Got ${JSON.stringify(ended.output)}`;
};

export const exampleModels: Record<string, Model> = {
  expense: expenseModel,
  quotes: quotesModel,
  subscription: subscriptionModel,
  trip: tripModel,
  onboarding: unlessCrashed((ended) =>
    ended.status === "completed" ? undefined : `It ended ${ended.status}`,
  ),
  parcel: unlessCrashed(completes(() => ({ receipt: "p1: 5 €", code: "code-p1" }))),
  render: unlessCrashed((ended) => {
    // An hour is not long where every wake is lost.
    if (ended.status === "failed" && ended.error?.code === "PollTimeout") return undefined;
    const { url } = (ended.output ?? {}) as { url?: string };
    return url?.startsWith("https://farm.example/job-") ? undefined : `Got ${JSON.stringify(ended.output)}`;
  }),
  catalogue: catalogueModel,
  "file-import": (ended) => {
    const isBad = (ended.input as { name: string }).name === "bad";
    // With the others of a map that has failed.
    if (ended.status === "cancelled") return isCancelled(ended);
    if (ended.status === "failed")
      return isBad || ended.error?.code === "LegCrashed" ? undefined : "It failed";
    return isBad ? "A bad file was imported" : undefined;
  },
};

/** What their services must have been asked for in all, after every run has ended. */
export function wrongAccounts(ended: readonly Ended[]): string | undefined {
  const of = (workflow: string) => ended.filter(({ created }) => created.workflow === workflow);
  const trips = of("trip");
  const kept = trips.filter(({ status }) => status === "completed").length;
  // A booking that was cut off by a cancel, or by its last attempt's crash, may have been made: the run lists it.
  const isUnsure = (event: Ended["events"][number]): boolean =>
    event.type === "CancelDelivered" || (event.type === "StepFailed" && event.error.code === "LegCrashed");
  const unsure = trips.filter(({ events }) => events.some(isUnsure)).length;
  for (const kind of ["flight", "hotel", "car"]) {
    const count = (sign: string) => desk.log.filter((line) => line === sign + kind).length;
    const left = count("+") - count("-");
    if (left < kept || left > kept + unsure) return `${left} ${kind}s are booked for ${kept} trips`;
  }
  const mails = of("onboarding").filter(({ status }) => status === "completed").length * 3;
  if (mailbox.log.length < mails) return `${mailbox.log.length} mails were sent, not ${mails}`;
  const renders = of("render").length;
  return farm.log.length > renders ? `${farm.log.length} jobs were submitted for ${renders}` : undefined;
}
