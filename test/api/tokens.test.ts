/** Callback tokens: signed, for one operation, and of no use once they were used. */
import { beforeEach, describe, expect, test } from "vitest";
import { callbackToken, tokenTarget } from "../../shared/core/ids.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { aWorld, problem, type World } from "./world.ts";

const handed: string[] = [];
let isBroken = true;

const asks = workflow("asks", async (run) => {
  const first = await run.callback("first", (token) => void handed.push(token));
  const second = await run.callback("second", (token) => void handed.push(token));
  await run.step(
    "check",
    () => {
      if (isBroken) throw new Error("broken");
    },
    { retry: { maxAttempts: 1 } },
  );
  return [first, second];
});

let world: World;
const ask = (token: string, output: unknown, how = "succeed") =>
  world.ask(
    "POST",
    `/callbacks/${encodeURIComponent(token)}/${how}`,
    how === "heartbeat" ? {} : { body: { output } },
  );

beforeEach(async () => {
  handed.length = 0;
  isBroken = true;
  world = aWorld([asks]);
  await world.ask("POST", "/runs", { body: { workflow: "asks", runId: "r" } });
  await world.runs.get("r");
});

test("a changed token is refused, whatever was changed", async () => {
  const [token] = handed as [string];
  const [target, signature] = token.split(".") as [string, string];
  const retarget = (...parts: unknown[]) =>
    `${Buffer.from(JSON.stringify(parts)).toString("base64url")}.${signature}`;
  const forged = [
    `${target}.${signature.slice(0, -1)}${signature.endsWith("A") ? "B" : "A"}`,
    `${target}.`,
    target,
    `${token}A`,
    retarget("r", "2"),
    retarget("other", tokenTarget(token)!.operation),
    retarget("r", tokenTarget(token)!.operation, 1),
    retarget("r", tokenTarget(token)!.operation, "0"),
    callbackToken("r", "guessed-incarnation-00", { operation: "1", redrives: 0 }),
    "%00",
    "x",
  ];
  for (const text of forged) expect(await ask(text, 1), text).toMatchObject(problem(403, "InvalidToken"));
  expect((await world.runs.get("r")).status).toBe("waiting");
});

test("a token is for its own operation: the next one's is another", async () => {
  expect((await ask(handed[0]!, "one")).status).toBe(200);
  await world.runs.get("r");
  expect(handed).toHaveLength(2);
  expect(handed[1]).not.toBe(handed[0]);
  expect(await ask(handed[0]!, "two")).toMatchObject(problem(409, "AlreadyDecided"));
  expect((await world.runs.get("r")).waitingFor).toMatchObject([{ name: "second" }]);
});

describe("a used token", () => {
  test("changes nothing any more", async () => {
    await ask(handed[0]!, "one");
    await world.runs.get("r");
    const { revision } = await world.runs.get("r");
    expect((await ask(handed[0]!, "one")).status).toBe(200);
    expect(await ask(handed[0]!, "other")).toMatchObject(problem(409, "AlreadyDecided"));
    expect(await ask(handed[0]!, null, "heartbeat")).toMatchObject(problem(410, "TokenExpired"));
    expect((await world.runs.get("r")).revision).toBe(revision);
  });

  test("stays used after a redrive that asks again: who asks hands another one out", async () => {
    await ask(handed[0]!, "one");
    await world.runs.get("r");
    await ask(handed[1]!, "two");
    expect((await world.runs.get("r")).status).toBe("failed");
    isBroken = false;
    await world.runs.redrive("r", { from: "second" });
    await world.runs.get("r");
    expect(handed).toHaveLength(3);
    expect(handed[2]).not.toBe(handed[1]);
    expect(await ask(handed[1]!, "stolen")).toMatchObject(problem(410, "TokenExpired"));
    expect((await ask(handed[2]!, "again")).status).toBe(200);
    expect(await world.runs.get("r")).toMatchObject({ status: "completed", output: ["one", "again"] });
  });
});

test("the journal, the operations and the run tell nobody a token, nor what it is signed with", async () => {
  const header = (await world.engine.journal.header("r"))!;
  for (const path of ["/runs/r", "/runs/r/journal", "/runs/r/operations", "/runs"]) {
    const text = JSON.stringify(await world.ask("GET", path));
    expect(text).not.toContain(header.inc);
    expect(text).not.toContain(handed[0]!.split(".")[1]);
  }
});
