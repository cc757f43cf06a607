/** What the demo does, in order. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { styleText } from "node:util";
import { airTraffic } from "../air-traffic/workflow.ts";
import { flakyCard, goodCard, type Sandbox, slowCard } from "../order/sandbox.ts";
import { order } from "../order/workflow.ts";
import { billOf } from "./bill.ts";
import { wrongWithOrder, wrongWithReport } from "./checks.ts";
import { startHost } from "./host.ts";
import { Narrator } from "./narrator.ts";
import { type Followed, has, isFinished, Show } from "./show.ts";
import { legend, timelineOf } from "./timeline.ts";

const COOL_OFF = "6s";
const CHARGE_LOOK_MS = 10;

export interface Stage {
  /** Where the demo may write. */
  folder: string;
  sandbox: Sandbox;
  stop: AbortSignal;
}

/** Throws what is wrong, if anything is. */
export async function play({ folder, sandbox, stop }: Stage): Promise<void> {
  const begunAt = Date.now();
  const narrator = new Narrator(begunAt);
  const report = join(folder, "report.json");
  let host = await startHost(join(folder, "data"));
  try {
    narrator.say(Date.now(), "host", `serves at ${host.url} (pid ${host.pid})`, "magenta");
    const show = new Show(host.url, narrator, stop);
    const runs = await firstAct(show, report, sandbox, stop);

    await host.kill();
    const crashedAt = Date.now();
    narrator.say(
      crashedAt,
      "host",
      "kill -9, while chair is being charged, kettle sleeps, and air-traffic waits",
      ["bold", "red"],
    );
    host = await startHost(join(folder, "data"));
    narrator.say(Date.now(), "host", `a new one serves at ${host.url} (pid ${host.pid})`, "magenta");
    show.moveTo(host.url);
    await secondAct(show, runs, sandbox);

    const wrong = await conclude(show, runs, { crashedAt, report, sandbox });
    const exitCode = await host.end();
    if (exitCode !== 0) wrong.push(`Expected the host to end with 0 when asked to, got ${exitCode}.`);
    if (wrong.length > 0) throw new Error(wrong.join("\n"));
    const seconds = ((Date.now() - begunAt) / 1_000).toFixed(1);
    console.log(
      `\n${styleText(["bold", "green"], "All runs completed with the right result")} in ${seconds} s.`,
    );
    console.log(
      `The bank was asked ${asked(sandbox)} times, and charged ${sandbox.charges.length} orders once each.`,
    );
  } finally {
    await host.end();
  }
}

interface Runs {
  traffic: Followed;
  kettle: Followed;
  lamp: Followed;
  chair: Followed;
}

/** Ends with chair being charged, kettle asleep, and air-traffic waiting. */
async function firstAct(show: Show, report: string, sandbox: Sandbox, stop: AbortSignal): Promise<Runs> {
  const traffic = await show.start("air-traffic", airTraffic.name, { report });
  const kettle = await show.start("order kettle", order.name, orderOf("kettle", goodCard, sandbox));
  const lamp = await show.start("order lamp", order.name, orderOf("lamp", flakyCard, sandbox));
  await show.until(() => has(kettle, "SignalAwaited", "paid"));
  await pay(show, kettle, "kettle", sandbox);
  await show.until(
    () => has(kettle, "TimerStarted", "cool-off") && has(traffic, "SignalAwaited", "go-ahead"),
  );
  const chair = await show.start("order chair", order.name, orderOf("chair", slowCard, sandbox));
  await show.until(() => true);
  while (!isCharged("chair", sandbox)) await delay(CHARGE_LOOK_MS, undefined, { signal: stop });
  return { traffic, kettle, lamp, chair };
}

async function secondAct(show: Show, { traffic, lamp, chair }: Runs, sandbox: Sandbox): Promise<void> {
  await show.signal(traffic, "go-ahead", { by: "the demo", publish: true });
  await show.until(() => has(lamp, "SignalAwaited", "paid"));
  await pay(show, lamp, "lamp", sandbox);
  await show.until(() => has(chair, "SignalAwaited", "paid"));
  await pay(show, chair, "chair", sandbox);
  await show.until(() => show.runs.every(isFinished));
}

const orderOf = (id: string, card: string, sandbox: Sandbox): object => ({
  id,
  amountCents: 4_200,
  card,
  lines: [{ sku: id, quantity: 1 }],
  services: sandbox.url,
  coolOff: COOL_OFF,
});

const isCharged = (id: string, { charges }: Sandbox): boolean =>
  charges.some(({ orderId }) => orderId === id);
const asked = ({ requests }: Sandbox): number => requests.filter(({ path }) => path === "/charges").length;

async function pay(show: Show, run: Followed, id: string, sandbox: Sandbox): Promise<void> {
  const charge = sandbox.charges.find(({ orderId }) => orderId === id);
  if (charge === undefined) throw new Error(`Expected order ${id} to have been charged.`);
  await show.signal(run, "paid", { chargeId: charge.chargeId, amountCents: charge.amountCents });
}

/** Shows each run's timeline and bill; answers what is wrong. */
async function conclude(
  show: Show,
  runs: Runs,
  { crashedAt, report, sandbox }: { crashedAt: number; report: string; sandbox: Sandbox },
): Promise<string[]> {
  const finished = await Promise.all(
    Object.values(runs).map(async (followed: Followed) => ({
      ...followed,
      run: await show.get(followed),
      operations: await show.operations(followed),
    })),
  );
  console.log(`\n${styleText("dim", legend)}`);
  for (const each of finished) console.log(`\n${timelineOf(each, crashedAt)}`);
  console.log(
    `\n${styleText("bold", "A million such runs at AWS list prices")}, Lambda's time left out of both.`,
  );
  console.log("Reads are mostly the demo's own: it follows every journal to show it.");
  console.log(billOf(finished));

  const [traffic, ...orders] = finished;
  const wrong = await wrongWithReport(report, traffic!.run);
  for (const [index, id] of ["kettle", "lamp", "chair"].entries())
    wrong.push(...wrongWithOrder(id, orders[index]!.run, sandbox));
  return wrong;
}
