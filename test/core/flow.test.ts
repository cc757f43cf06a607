/** The builder's rules (api.md, authoring), each by name, run by the one engine on virtual time. */
import { flow, type StepfoldError } from "stepfold";
import { everyCrash, type RunId, type TestHost, testHost } from "stepfold/testing";
import { describe, expect, test } from "vitest";

const HOUR_MS = 3_600_000;
const begin = "2030-01-01T00:00:00Z";
const hostOf = (...workflows: unknown[]): TestHost => testHost({ workflows, now: begin });
const thrownBy = (work: () => unknown): StepfoldError => {
  try {
    work();
  } catch (thrown) {
    return thrown as StepfoldError;
  }
  throw new Error("Nothing was thrown.");
};
/** After how many hours each step of that name was done. */
async function doneAfter(host: TestHost, runId: RunId): Promise<Record<string, number | undefined>> {
  const operations = await host.operations(runId);
  return Object.fromEntries(
    operations
      .filter(({ kind }) => kind === "step")
      .map(({ name, finishedAt }) => [
        name,
        finishedAt && (finishedAt.getTime() - Date.parse(begin)) / HOUR_MS,
      ]),
  );
}

describe("values", () => {
  test("each task gets the value before it", async () => {
    const sum = flow("sum")
      .then("double", (count: number) => count * 2)
      .then("text", async (count) => `${count} pieces`)
      .build();
    const host = hostOf(sum);
    const runId = await host.start(sum, 21);
    expect(await host.result(runId)).toBe("42 pieces");
    expect((await host.operations(runId)).map(({ name }) => name)).toEqual(["double", "text"]);
  });

  test("delay passes data through", async () => {
    const slow = flow("slow")
      .delay("before", "1h")
      .then("wrap", (count: number) => ({ count }))
      .delay("after", 7_200)
      .then("add", ({ count }) => ({ count: count + 1 }))
      .build();
    const host = hostOf(slow);
    const runId = await host.start(slow, 1);
    expect((await host.get(runId)).status).toBe("sleeping");
    await host.skip("3h");
    expect(await host.result(runId)).toEqual({ count: 2 });
    expect(await doneAfter(host, runId)).toEqual({ wrap: 1, add: 3 });
  });

  test("a delay may come last, and may be all there is", async () => {
    const last = flow("last")
      .then("wrap", (count: number) => ({ count }))
      .delay("rest", "1 day")
      .build();
    const alone = flow<string>("alone").delay("rest", "1 day").build();
    const host = hostOf(last, alone);
    const runs = [await host.start(last, 1), await host.start(alone, "as it was")];
    await host.skip("1 day");
    expect(await Promise.all(runs.map((runId) => host.result<unknown>(runId)))).toEqual([
      { count: 1 },
      "as it was",
    ]);
  });

  test("a signal's payload goes on", async () => {
    const paid = flow("paid")
      .then("ask", (amount: number) => ({ amount }))
      .awaitSignal<{ by: string }>("paid")
      .then("thank", ({ by }) => `Thank you, ${by}.`)
      .build();
    const host = hostOf(paid);
    const runId = await host.start(paid, 5);
    expect(await host.get(runId)).toMatchObject({ status: "waiting", waitingFor: [{ name: "paid" }] });
    await host.signal(runId, "paid", { by: "Ada" });
    expect(await host.result(runId)).toBe("Thank you, Ada.");
  });

  test("signal buffered before its wait, and consumed once", async () => {
    const twice = flow("twice")
      .delay("first", "1h")
      .awaitSignal<number>("go")
      .then("note", (count) => count * 10)
      .awaitSignal<number>("go")
      .build();
    const host = hostOf(twice);
    const runId = await host.start(twice);
    await host.signal(runId, "go", 1);
    await host.skip("1h");
    expect(await host.get(runId)).toMatchObject({ status: "waiting", waitingFor: [{ name: "go" }] });
    expect((await host.operations(runId)).find(({ name }) => name === "note")?.output).toBe(10);
    await host.signal(runId, "go", 2);
    expect(await host.result(runId)).toBe(2);
  });

  test("signal timeout fails the run", async () => {
    const late = flow("late").awaitSignal("paid", { timeout: "2h" }).build();
    const host = hostOf(late);
    const runId = await host.start(late);
    await host.skip("2h");
    await expect(host.result(runId)).rejects.toMatchObject({ code: "SignalTimeout" });
  });

  test("what a branch does to the value is not seen by the others", async () => {
    const seen: number[][] = [];
    const spoil = (list: number[]): number => {
      seen.push([...list]);
      return list.push(99);
    };
    const careless = flow("careless")
      .then("list", () => [1])
      .branches({ left: spoil, right: spoil })
      .build();
    const host = hostOf(careless);
    const runId = await host.start(careless);
    expect(await host.result(runId)).toEqual({ left: 2, right: 2 });
    expect(seen).toEqual([[1], [1]]);
  });

  test("a retry sees the value as it was", async () => {
    const seen: number[][] = [];
    const retried = flow("retried")
      .then("list", () => [1])
      .then("spoil", (list, { attempt }) => {
        seen.push([...list]);
        list.push(99);
        if (attempt < 3) throw new Error("Again.");
        return list;
      })
      .build();
    const host = hostOf(retried);
    const runId = await host.start(retried);
    await host.skip("1h");
    expect(await host.result(runId)).toEqual([1, 99]);
    expect(seen).toEqual([[1], [1], [1]]);
  });
});

describe("branches", () => {
  test("get the same value each and yield {branch: output}", async () => {
    const both = flow("both")
      .then("id", (id: number) => id)
      .branches({
        email: (id) => `email ${id}`,
        "text message": flow("text")
          .then("write", (id: number) => `text ${id}`)
          .then("send", (text) => `${text}!`),
      })
      .build();
    const host = hostOf(both);
    const runId = await host.start(both, 7);
    expect(await host.result(runId)).toEqual({ email: "email 7", "text message": "text 7!" });
  });

  test("nested forks joined", async () => {
    const nested = flow("nested")
      .then("one", (count: number) => count)
      .branches({
        left: flow("left")
          .branches({
            a: (count: number) => count + 1,
            b: flow("b")
              .branches({ x: (count: number) => count + 2, y: (count: number) => count + 3 })
              .join("product", ({ x, y }) => x * y),
          })
          .join("sum", ({ a, b }) => a + b),
        right: (count) => count * 100,
      })
      .join("report", ({ left, right }) => ({ total: left + right }))
      .then("text", ({ total }) => `total ${total}`)
      .build();
    const host = hostOf(nested);
    const runId = await host.start(nested, 1);
    expect(await host.result(runId)).toBe("total 114");
  });

  test("branches parked at delays go on each at its own time, the join at the last", async () => {
    const later = (name: string, duration: string) =>
      flow<string>(name)
        .delay("wait", duration)
        .then(`after ${name}`, (text) => `${text} ${name}`);
    const parked = flow("parked")
      .then("begin", () => "went")
      .branches({ now: () => "at once", hour: later("hour", "1h"), days: later("days", "3 days") })
      .join("join", (outputs) => Object.values(outputs).join(", "))
      .build();
    const host = hostOf(parked);
    const runId = await host.start(parked);
    await host.skip("2h");
    expect(await doneAfter(host, runId)).toEqual({ begin: 0, now: 0, "after hour": 1 });
    await host.skip("4 days");
    expect(await host.result(runId)).toBe("at once, went hour, went days");
    expect(await doneAfter(host, runId)).toEqual({
      begin: 0,
      now: 0,
      "after hour": 1,
      "after days": 72,
      join: 72,
    });
  });

  test("a branch parked at a signal holds the join, not its siblings", async () => {
    const asked = flow("asked")
      .branches({
        ask: flow("ask").awaitSignal<string>("answer"),
        look: flow("look")
          .delay("wait", "1h")
          .then("looked", () => "seen"),
      })
      .join("report", ({ ask, look }) => `${ask} ${look}`)
      .build();
    const host = hostOf(asked);
    const runId = await host.start(asked);
    await host.skip("5h");
    expect(await doneAfter(host, runId)).toEqual({ looked: 1 });
    await host.signal(runId, "answer", "yes");
    expect(await host.result(runId)).toBe("yes seen");
    expect(await doneAfter(host, runId)).toEqual({ looked: 1, report: 5 });
  });

  test("a failing branch fails the fork with its own error, and ends its siblings", async () => {
    class OutOfStock extends Error {
      override name = "OutOfStock";
    }
    let isSent = false;
    const failing = flow("failing")
      .branches({
        stock: flow("stock").then(
          "reserve",
          () => {
            throw new OutOfStock("No more of these.");
          },
          { retry: { maxAttempts: 1 } },
        ),
        letter: flow("letter")
          .delay("wait", "1 day")
          .then("send", () => {
            isSent = true;
          }),
      })
      .join("never", () => "joined")
      .build();
    const host = hostOf(failing);
    const runId = await host.start(failing);
    await expect(host.result(runId)).rejects.toMatchObject({
      code: "StepFailed",
      name: "OutOfStock",
      message: "No more of these.",
      details: { operation: "reserve" },
    });
    await host.skip("2 days");
    expect(isSent).toBe(false);
    const statuses = (await host.operations(runId)).map(({ name, status }) => [name, status]);
    expect(Object.fromEntries(statuses)).toEqual({
      "stock, letter": "failed",
      reserve: "failed",
      wait: "cancelled",
    });
  });

  test("that fail undo what was done, in a branch too, in reverse order", async () => {
    const undone: string[] = [];
    const undo = (what: string) => undone.push(what);
    const saga = flow("saga", { maxRetries: 0 })
      .then("charge", () => "charge", { compensate: undo })
      .branches({
        pack: flow("pack").then("pack", () => "parcel", { compensate: undo }),
        ship: flow("ship")
          .delay("wait", "1h")
          .then("ship", () => {
            throw new Error("No ship.");
          }),
      })
      .build();
    const host = hostOf(saga);
    const runId = await host.start(saga);
    await host.skip("1h");
    await expect(host.result(runId)).rejects.toMatchObject({ message: "No ship." });
    expect(undone).toEqual(["parcel", "charge"]);
  });

  test("survive a crash at every moment", async () => {
    const order = flow("order")
      .then("charge", (cents: number) => ({ cents }))
      .delay("cool-off", "3d")
      .awaitSignal<{ by: string }>("paid")
      .branches({
        email: ({ by }) => `mail to ${by}`,
        sms: flow<{ by: string }>("sms")
          .delay("morning", "8h")
          .then("text", ({ by }) => `text to ${by}`),
      })
      .join("report", ({ email, sms }) => [email, sms])
      .build();
    const { crashes } = await everyCrash({ workflows: [order] }, async (host) => {
      const runId = await host.start(order, 5, { runId: "order-1" });
      await host.signal(runId, "paid", { by: "Ada" }, { signalId: "signal-1" });
      await host.skip("5 days");
      return host.result(runId);
    });
    expect(crashes).toBeGreaterThan(20);
  });
});

describe("tasks", () => {
  const declared = flow("declared")
    .then<number>("count")
    .branches({
      up: (count) => count + 1,
      down: flow<number>("down").then<number>("lower"),
    })
    .join<string>("report");

  test("a task without a function is taken from tasks", async () => {
    const built = declared.build({
      tasks: {
        count: (text: string) => text.length,
        lower: (count: number) => count - 1,
        report: (outputs: object) => JSON.stringify(outputs),
        unneeded: () => "other flows' too",
      },
    });
    const host = hostOf(built);
    expect(await host.result(await host.start(built, "four"))).toBe('{"up":5,"down":3}');
  });

  test("the function that was given first counts", async () => {
    const own = flow("own").then("count", () => 1);
    const built = own.build({ tasks: { count: () => 2 } });
    const host = hostOf(built);
    expect(await host.result(await host.start(built))).toBe(1);
  });

  test("task not implemented: all of them are named, before anything runs", () => {
    const error = thrownBy(() => declared.build({ tasks: { lower: (count: number) => count - 1 } }));
    expect(error).toMatchObject({
      code: "TaskNotImplemented",
      data: { flow: "declared", tasks: ["count", "report"] },
    });
    expect(error.message).toContain('"count", "report"');
    expect(thrownBy(() => declared.build())).toMatchObject({ data: { tasks: ["count", "lower", "report"] } });
    expect(thrownBy(() => flow("inherited").then("toString").build())).toMatchObject({
      code: "TaskNotImplemented",
    });
  });

  test("a step's options hold, and the flow's are their default", async () => {
    const attempts: Record<string, number> = { stubborn: 0, meek: 0 };
    const failing = (name: string) => () => {
      attempts[name]!++;
      throw new Error(name);
    };
    const retried = flow("retried", { maxRetries: 0, version: 3, description: "Tries." })
      .branches({
        first: flow("first").then("stubborn", failing("stubborn"), {
          retry: { maxAttempts: 4, jitter: "none" },
        }),
        second: flow("second").delay("later", "1h").then("meek", failing("meek")),
      })
      .build();
    expect(retried).toMatchObject({ version: 3, options: { description: "Tries." } });
    const host = hostOf(retried);
    const runId = await host.start(retried);
    await host.skip("30m");
    await expect(host.result(runId)).rejects.toMatchObject({ message: "stubborn", details: { attempts: 4 } });
    expect(attempts).toEqual({ stubborn: 4, meek: 0 });
    const meek = flow("meek", { maxRetries: 0 }).then("meek", failing("meek")).build();
    const other = hostOf(meek);
    await expect(other.result(await other.start(meek))).rejects.toMatchObject({ message: "meek" });
    expect(attempts["meek"]).toBe(1);
  });
});
