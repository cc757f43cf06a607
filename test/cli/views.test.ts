/** Looking at runs by the command: for people, for scripts, and in narrow terminals. */
import { beforeAll, describe, expect, test, vi } from "vitest";
import { widthOf } from "../../cli/print/text.ts";
import { cliOnHost, timeless } from "./stepfold.ts";

const cli = cliOnHost();
const lines = (text: string): string[] => text.trimEnd().split("\n");
const jsonLines = (text: string) => lines(text).map((line) => JSON.parse(line));

beforeAll(async () => {
  const { client } = cli;
  await client.start(
    "greet",
    { name: "Ada" },
    { runId: "g", owner: "ada", tags: { team: "a" }, waitSeconds: 20 },
  );
  await client.start("fan", undefined, { runId: "fan", waitSeconds: 20 });
  await client.start("sale", { id: "s" }, { runId: "s", owner: "bob" });
  await client.start("parent", undefined, { runId: "parent" });
  await client.start("many", { steps: 250 }, { runId: "many", waitSeconds: 25 });
  await client.start("hostile", undefined, { runId: "hostile", waitSeconds: 20 });
  await vi.waitFor(async () => {
    expect((await client.get("s")).waitingFor).toHaveLength(1);
    expect((await client.list({ parent: "parent" })).items).toHaveLength(1);
  });
});

describe("list", () => {
  test("is a table, the newest first", async () => {
    const { code, stdout } = await cli.stepfold("list", "--workflow", "greet");
    expect(code).toBe(0);
    expect(lines(timeless(stdout)).map((line) => line.split(/ {2,}/))).toEqual([
      ["RUN", "WORKFLOW", "STATUS", "BEGAN", "TOOK", "OWNER", "TAGS"],
      ["g", "greet", "✓ completed", "T", "T", "ada", "team=a"],
    ]);
  });

  test("takes every filter", async () => {
    const ids = async (...filters: string[]) =>
      jsonLines((await cli.stepfold("list", "--json", ...filters)).stdout).map(({ runId }) => runId);
    expect(await ids("--owner", "bob")).toEqual(["s"]);
    expect(await ids("--tag", "team=a")).toEqual(["g"]);
    expect(await ids("--status", "waiting,failed", "--order", "asc")).toEqual(["s", "parent"]);
    expect(await ids("--status", "active", "--workflow", "sale", "--created-after", "1h")).toEqual(["s"]);
    expect(await ids("--parent", "parent")).toHaveLength(1);
    expect(await ids("--all")).toHaveLength(7);
    expect((await cli.stepfold("list", "--created-before", "1h", "--stalled")).stderr).toBe(
      "There are no such runs.\n",
    );
  });

  test("pages: so many, and all", async () => {
    const some = await cli.stepfold("list", "--limit", "2");
    expect(lines(some.stdout)).toHaveLength(3);
    expect(some.stderr).toContain("--all");
    const all = await cli.stepfold("list", "--all");
    expect(lines(all.stdout)).toHaveLength(8);
    expect(all.stderr).toBe("");
  });

  test("fits a narrow terminal, and never cuts a run's id", async () => {
    const { stdout } = await cli.stepfoldWith({ env: { COLUMNS: "50" } }, "list", "--all");
    const childId = (await cli.client.list({ parent: "parent" })).items[0]!.runId;
    expect(Math.max(...lines(stdout).map(widthOf))).toBeLessThanOrEqual(50);
    expect(stdout).toContain(childId);
    expect(stdout).toContain("◐ waiting");
    expect(stdout).not.toContain("TAGS");
  });

  test("has colour where it is asked for, and never against NO_COLOR", async () => {
    const plainText = (await cli.stepfold("list")).stdout;
    const coloured = (await cli.stepfoldWith({ env: { FORCE_COLOR: "1" } }, "list")).stdout;
    const refused = (await cli.stepfoldWith({ env: { NO_COLOR: "1" } }, "list")).stdout;
    expect(coloured).toContain("\u001b[32m✓ completed");
    expect(plainText).not.toContain("\u001b");
    expect(refused).not.toContain("\u001b");
  });
});

describe("show", () => {
  test("tells a run, and how to give what it waits for", async () => {
    const { code, stdout } = await cli.stepfold("show", "s");
    expect(code).toBe(0);
    expect(lines(timeless(stdout)).map((line) => line.trimEnd())).toEqual([
      "◐ sale s waiting for T",
      "  started    T (T), version 1",
      "  owner      bob",
      '  input      {"id":"s"}',
      expect.stringMatching(/^ {2}cost {7}\d+ write units, \$0\.0000\d+$/),
      "  waits for  gate approval, ends in T",
      "             stepfold approve s approval",
      "             stepfold reject s approval",
      "  wakes      in T",
      "",
      "  ✓ reserve   step  ━ T",
      "  ◐ approval  gate  ━ ends in T",
    ]);
  });

  test("keeps the place in the commands that it shows", async () => {
    const { stdout } = await cli.stepfold("show", "s", "--url", cli.url);
    expect(stdout).toContain(`stepfold approve s approval --url ${cli.url}\n`);
  });

  test("draws operations under their parents, with their branches", async () => {
    const { stdout } = await cli.stepfold("show", "fan");
    expect(
      lines(timeless(stdout))
        .slice(-4)
        .map((line) => line.replace(/ +/g, " ")),
    ).toEqual([
      " ✓ tell all ━ T",
      " ✓ ├ email: send step ━ T",
      " ✓ ├ sms: moment timer ━ T",
      " ✓ └ sms: send step ━ T",
    ]);
  });

  test("leads to a child", async () => {
    const childId = (await cli.client.list({ parent: "parent" })).items[0]!.runId;
    expect((await cli.stepfold("show", "parent")).stdout).toContain(`stepfold show ${childId}`);
    expect((await cli.stepfold("show", childId)).stdout).toContain("  parent     parent");
  });

  test("of many operations shows the latest, and all when asked", async () => {
    const some = (await cli.stepfold("show", "many")).stdout;
    expect(some).toContain("… 210 more: --all shows them");
    expect(some).toContain("step 249");
    expect(some).not.toContain("step 12 ");
    const all = (await cli.stepfold("show", "many", "--all")).stdout;
    expect(lines(all).filter((line) => line.includes("✓ step "))).toHaveLength(250);
  });

  test("is one JSON document for scripts", async () => {
    const { stdout } = await cli.stepfold("show", "g", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      runId: "g",
      status: "completed",
      output: "hello Ada",
      operations: [{ name: "greet", kind: "step", status: "completed" }],
    });
  });

  test("fits a narrow terminal, and cuts what is long", async () => {
    await cli.client.start("greet", { name: "x".repeat(500) }, { runId: "long", waitSeconds: 20 });
    const { stdout } = await cli.stepfoldWith({ env: { COLUMNS: "60" } }, "show", "long");
    expect(Math.max(...lines(stdout).map(widthOf))).toBeLessThanOrEqual(60);
    expect(stdout).toContain("…");
  });

  test("never lets a run's text reach the terminal as more than text", async () => {
    for (const args of [
      ["show", "hostile"],
      ["show", "hostile", "--json"],
      ["journal", "hostile"],
      ["watch", "hostile"],
    ]) {
      const { stdout } = await cli.stepfold(...args);
      expect(stdout).toContain("owned");
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
    const { stdout } = await cli.stepfold("show", "hostile", "--json");
    expect(JSON.parse(stdout).output).toBe("\u001b]0;owned\u0007\u001b[2J\u009bmred\u202e");
  });
});

describe("journal", () => {
  test("is an event a line, an entry's sequence once", async () => {
    const { code, stdout } = await cli.stepfold("journal", "g");
    expect(code).toBe(0);
    const shown = lines(timeless(stdout)).map((line) => line.trim().replace(/ {2,}/g, " | "));
    expect(shown[0]).toMatch(/^0 \| T \| RunCreated \| workflow="greet"/);
    expect(shown.map((line) => /(?:^|\| )([A-Z][A-Za-z]+)/.exec(line)?.[1])).toEqual([
      "RunCreated",
      "LegStarted",
      "StepStarted",
      "StepCompleted",
      "RunCompleted",
    ]);
    expect(shown[4]).toMatch(/^RunCompleted \| output="hello Ada"/);
  });

  test("is JSON Lines for scripts, from a sequence on, so many", async () => {
    const { stdout } = await cli.stepfold("journal", "many", "--json");
    const events = jsonLines(stdout);
    expect(events.filter(({ type }) => type === "StepCompleted")).toHaveLength(250);
    const some = jsonLines(
      (await cli.stepfold("journal", "many", "--json", "--after", "100", "--limit", "3")).stdout,
    );
    expect(some[0]).toMatchObject({ sequence: 101 });
    expect(some.length).toBeLessThanOrEqual(4);
  });

  test("follows a run until it is finished", async () => {
    await cli.client.start("nap", { for: "1500 ms" }, { runId: "n" });
    const { code, stdout } = await cli.stepfold("journal", "n", "--follow", "--json");
    expect(code).toBe(0);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ type: "RunCompleted", output: "rested" });
  });
});

describe("cost", () => {
  test("of a run, against what it would be elsewhere", async () => {
    const { code, stdout } = await cli.stepfold("cost", "many");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^many +250 +25\d /m);
    expect(stdout).toMatch(/^Step Functions Standard +\$0\.0063 +\d+ ×$/m);
    expect(stdout).toMatch(/^Lambda durable functions +\$0\.0020 +\d+ ×$/m);
  });

  test("of a list, and its sum", async () => {
    const { stdout } = await cli.stepfold("cost", "--workflow", "greet", "--status", "completed");
    expect(stdout).toMatch(/^\d+ runs +\d+ /m);
    const { runs, sum } = JSON.parse((await cli.stepfold("cost", "g", "fan", "--json")).stdout);
    expect(runs).toMatchObject([
      { runId: "g", operations: 1 },
      { runId: "fan", operations: 4 },
    ]);
    const usage = (await cli.client.get("g")).cost;
    expect(runs[0]).toMatchObject({ ...usage, stepFunctionsUsd: 25e-6 });
    expect(sum.writeUnits).toBe(runs[0].writeUnits + runs[1].writeUnits);
    expect(sum.runs).toBe(2);
  });
});
