/** Starting and steering runs by the command: what it prints, and how it ends. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { aDirectory, watched } from "../host/command.ts";
import { cliOnHost, timeless } from "./stepfold.ts";
import { flaky } from "./workflows.ts";

const cli = cliOnHost();
const json = (text: string) => JSON.parse(text);

describe("start", () => {
  test("says what it started, and how to follow it", async () => {
    const ended = await cli.stepfold("start", "nap", '{"for": "1 day"}', "--run-id", "sleeper");
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toBe("○ nap sleeper pending\n  follow it: stepfold watch sleeper\n");
  });

  test("with --wait stays, and ends with 0 for a completed run", async () => {
    const ended = await cli.stepfold("start", "greet", '{"name": "Ada"}', "--run-id", "greeted", "--wait");
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    const shown = timeless(ended.stdout);
    expect(shown).toContain("✓ greet greeted completed in T");
    expect(shown).toContain('  output     "hello Ada"');
    expect(shown).toContain("✓ step greet completed T");
  });

  test("with --wait ends with 1 for a run that failed, was cancelled or timed out", async () => {
    flaky.works = false;
    const failed = await cli.stepfold("start", "fragile", "--wait");
    expect(failed).toMatchObject({ code: 1, stderr: "" });
    expect(failed.stdout).toContain("error      StepFailed: Error in ship after 2 attempts: no truck");
    const late = await cli.stepfold("start", "sale", '{"id": "s"}', "--timeout", "50ms", "--wait", "--json");
    expect(late.code).toBe(1);
    expect(json(late.stdout.trim().split("\n").at(-1)!)).toMatchObject({ status: "timedOut" });
  });

  test("takes every option", async () => {
    const options = ["--owner", "ada", "--tag", "team=a", "--tag", "k:v", "--goal", "rest", "--dry-run"];
    const more = ["--workflow-version", "1", "--timeout", "3 days", "--start-at", "2h", "--key", "k-1"];
    const { stdout } = await cli.stepfold("start", "nap", '{"for": 1}', ...options, ...more, "--json");
    const run = json(stdout);
    expect(run).toMatchObject({
      workflow: "nap",
      status: "pending",
      owner: "ada",
      tags: { team: "a", k: "v" },
      goal: "rest",
      dryRun: true,
      version: 1,
      input: { for: 1 },
    });
    const startsInMs = Date.parse(run.startAt) - Date.parse(run.createdAt);
    expect(Math.abs(startsInMs - 7_200_000)).toBeLessThan(60_000);
    const again = await cli.stepfold(
      "start",
      "nap",
      '{"for": 1}',
      ...options,
      ...more.slice(0, 4),
      "--key",
      "k-1",
    );
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("another request");
  });

  test("takes its input from a file, and from standard input", async () => {
    const path = join(aDirectory(), "input.json");
    writeFileSync(path, '{"name": "File"}');
    const fromFile = await cli.stepfold("start", "greet", `@${path}`, "--json");
    expect(json(fromFile.stdout).input).toEqual({ name: "File" });
    const fromInput = await cli.stepfoldWith({ input: '{"name": "In"}' }, "start", "greet", "-", "--json");
    expect(json(fromInput.stdout).input).toEqual({ name: "In" });
  });

  test("starts one run for a run id, and for a key", async () => {
    for (const option of ["--run-id", "--key"]) {
      const args = ["start", "greet", '{"name": "Once"}', option, `one${option}`, "--json"];
      const [first, second] = [await cli.stepfold(...args), await cli.stepfold(...args)];
      expect(json(second.stdout).runId).toBe(json(first.stdout).runId);
    }
  });
});

describe("a run that waits for people", () => {
  test("is approved and signalled to its end", async () => {
    await cli.stepfold("start", "sale", '{"id": "s-1"}', "--run-id", "s-1");
    await expect.poll(async () => (await cli.client.get("s-1")).waitingFor[0]?.name).toBe("approval");
    const approved = await cli.stepfold("approve", "s-1", "approval", "--feedback", "fine", "--by", "Grace");
    expect(approved).toEqual({ code: 0, stderr: "", stdout: "✓ approval of s-1 is approved\n" });
    const again = await cli.stepfold("reject", "s-1", "approval");
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/^stepfold: .*approved already: `stepfold show s-1` shows it\.\n$/);

    const sent = await cli.stepfold("signal", "s-1", "paid", '{"cents": 100}', "--key", "k");
    expect(sent).toEqual({ code: 0, stderr: "", stdout: "✓ paid sent to s-1\n" });
    expect(await cli.client.result("s-1")).toEqual({ cents: 100, feedback: "fine" });
  });

  test("is rejected with feedback and selections", async () => {
    await cli.stepfold("start", "sale", '{"id": "s-2"}', "--run-id", "s-2");
    await expect.poll(async () => (await cli.client.get("s-2")).waitingFor.length).toBe(1);
    const said = ["--feedback", '{"why": "price"}', "--selections", '["later"]', "--json"];
    const { stdout } = await cli.stepfold("reject", "s-2", "approval", ...said);
    expect(json(stdout).decision).toMatchObject({
      approved: false,
      feedback: { why: "price" },
      selections: ["later"],
    });
    expect((await cli.client.wait("s-2")).status).toBe("failed");
  });

  test("refuses a signal that it does not wait for, when asked to", async () => {
    await cli.stepfold("start", "sale", '{"id": "s-3"}', "--run-id", "s-3");
    const refused = await cli.stepfold("signal", "s-3", "other", "--strict");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^stepfold: .*does not wait for .*`stepfold show s-3` shows it\.\n$/);
  });
});

describe("a run is steered", () => {
  test("paused and resumed", async () => {
    await cli.stepfold("start", "nap", '{"for": "1 day"}', "--run-id", "p");
    const paused = await cli.stepfold("pause", "p", "--reason", "lunch", "--by", "ada");
    expect(paused).toMatchObject({ code: 0, stdout: expect.stringMatching(/^‖ nap p paused/) });
    const shown = timeless((await cli.stepfold("show", "p")).stdout);
    expect(shown).toContain("  paused     T by ada because lunch");
    expect(shown).toContain("  go on: stepfold resume p");
    expect((await cli.stepfold("resume", "p")).stdout).toMatch(/^◌ nap p sleeping/);
  });

  test("cancelled, and then redriven", async () => {
    await cli.stepfold("start", "nap", '{"for": "1 day"}', "--run-id", "c");
    await expect.poll(async () => (await cli.client.get("c")).status).toBe("sleeping");
    const asked = await cli.stepfold("cancel", "c", "--reason", "enough", "--by", "ada");
    expect(asked.code).toBe(0);
    expect(asked.stdout).toMatch(
      /^(⊘ nap c cancelled.*|◌ nap c sleeping.*\n {2}it was asked to end\. Follow it: stepfold watch c)\n$/,
    );
    expect((await cli.client.wait("c")).cancel).toMatchObject({ reason: "enough", by: "ada" });
    await cli.client.start("greet", { name: "Ada" }, { runId: "over", waitSeconds: 20 });
    const late = await cli.stepfold("cancel", "over");
    expect(late).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("`stepfold show over` shows it."),
    });
    expect(await cli.stepfold("redrive", "c")).toMatchObject({ code: 0, stderr: "" });
    await expect.poll(async () => (await cli.client.get("c")).status).toBe("sleeping");
    expect((await cli.stepfold("redrive", "c")).code).toBe(1);
  });

  test("redriven from an operation", async () => {
    flaky.works = false;
    await cli.client.start("fragile", undefined, { runId: "f", waitSeconds: 20 });
    expect((await cli.stepfold("show", "f")).stdout).toContain("go on from there: stepfold redrive f");
    flaky.works = true;
    expect((await cli.stepfold("redrive", "f", "--from", "ship", "--json")).code).toBe(0);
    expect(await cli.client.result("f")).toBe("shipped");
  });
});

describe("watch", () => {
  test("tells what happens until the run is finished, and ends by its outcome", async () => {
    await cli.client.start("nap", { for: "1500 ms" }, { runId: "w" });
    const ended = await cli.stepfold("watch", "w");
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    const lines = timeless(ended.stdout).split("\n");
    expect(lines).toContain("T ✓ timer nap completed T");
    expect(lines).toContain("T ✓ nap w completed in T");
    const failed = await cli.stepfold("watch", "s-2");
    expect(failed.code).toBe(1);
  });

  test("follows a run to those that it continues as", async () => {
    await cli.client.start("relay", { left: 2 }, { runId: "r" });
    const { code, stdout } = await cli.stepfold("watch", "r", "--json");
    expect(code).toBe(0);
    const runs = stdout.trim().split("\n").map(json);
    expect(new Set(runs.map(({ runId }) => runId)).size).toBe(3);
    expect(runs.at(-1)).toMatchObject({ status: "completed", output: "arrived", firstRunId: "r" });
  });

  test("is left by Ctrl-C, and leaves the run as it is", async () => {
    await cli.client.start("nap", { for: "1 day" }, { runId: "left" });
    const command = watched(["watch", "left"], { STEPFOLD_URL: cli.url });
    await expect.poll(command.stdout, { timeout: 20_000 }).toContain("sleeping");
    command.end("SIGINT");
    const ended = await command.ended;
    expect(ended.code).toBe(130);
    expect(ended.stderr).toContain("stepfold watch left");
    expect((await cli.client.get("left")).status).toBe("sleeping");
  });
});
