/** What a run keeps of what was thrown, whatever that is. */
import { runInNewContext } from "node:vm";
import { OperationError, StepfoldError } from "stepfold";
import { describe, expect, test } from "vitest";
import { toRunError } from "../../shared/core/errors.ts";
import { jsonText } from "../../shared/core/json.ts";
import { retryDelayMs, retryPolicy } from "../../shared/core/retry.ts";

describe("a thrown value as a run's error", () => {
  test("keeps name, message and causes of an error", () => {
    const thrown = new TypeError("outer", { cause: new RangeError("inner", { cause: "text" }) });
    expect(toRunError(thrown)).toEqual({
      code: "StepFailed",
      name: "TypeError",
      message: "outer",
      cause: {
        code: "StepFailed",
        name: "RangeError",
        message: "inner",
        cause: { code: "StepFailed", name: "NonError", message: "text" },
      },
    });
  });

  test("ends where causes go round in a circle, or on for ever", () => {
    const circle = new Error("a");
    circle.cause = new Error("b", { cause: circle });
    expect(toRunError(circle)).toMatchObject({ message: "a", cause: { message: "b" } });
    expect(toRunError(circle).cause).not.toHaveProperty("cause");
    let long = new Error("0");
    for (let n = 1; n < 20_000; n++) long = new Error(String(n), { cause: long });
    expect(JSON.stringify(toRunError(long)).length).toBeLessThan(1_000);
  });

  test("is of any realm", () => {
    expect(toRunError(runInNewContext("new TypeError('x')"))).toMatchObject({
      name: "TypeError",
      message: "x",
    });
  });

  test("has texts, whatever was put into the error", () => {
    const odd = Object.assign(new Error("x"), { name: undefined, message: 5n });
    expect(toRunError(odd)).toEqual({ code: "StepFailed", name: "Error", message: "5" });
    const evil = Object.defineProperty(new Error("x"), "message", {
      get() {
        throw new Error("not for you");
      },
    });
    expect(toRunError(evil)).toMatchObject({ code: "StepFailed", message: expect.any(String) });
    expect(toRunError(new StepfoldError("Odd", "m", { big: 1n as never }))).toMatchObject({
      message: expect.any(String),
    });
  });

  test("is cut to what fits into an entry, and stays as it is when it is read again", () => {
    const long = (text: string) =>
      new Error(text.repeat(100_000), { cause: new Error(text.repeat(100_000)) });
    const errors = Object.fromEntries(
      Array.from({ length: 50 }, (_, n) => [n, { message: "m".repeat(10_000) }]),
    );
    for (const thrown of [long("m"), long("\u0001"), new StepfoldError("AllFailed", "m", errors)]) {
      const kept = toRunError(thrown);
      expect(Buffer.byteLength(JSON.stringify(kept))).toBeLessThan(130_000);
      expect(toRunError(new OperationError(kept))).toEqual(kept);
    }
    expect(toRunError(new StepfoldError("AllFailed", "m", errors)).data).toHaveProperty("49.message");
  });
});

test("an operation's error has its fields", () => {
  const cause = { code: "StepFailed", name: "TypeError", message: "why" };
  const details = {
    code: "X",
    name: "N",
    message: "m",
    operation: "charge",
    attempts: 3,
    data: { a: 1 },
    cause,
  };
  const error = new OperationError(details);
  expect(error).toMatchObject({
    code: "X",
    name: "N",
    message: "m",
    operation: "charge",
    attempts: 3,
    data: { a: 1 },
  });
  expect(error.cause).toBeInstanceOf(OperationError);
  expect(error.cause).toMatchObject(cause);
  expect(toRunError(error)).toEqual(details);
});

test("a user's own code in nonRetryable is final", () => {
  const policy = retryPolicy({ nonRetryable: ["ENOENT"] });
  const thrown = Object.assign(new Error("no such file"), { code: "ENOENT" });
  expect(retryDelayMs(policy, { attempt: 1, error: toRunError(thrown), thrown }, 0.5)).toBeUndefined();
  const other = Object.assign(new Error("busy"), { code: "EBUSY" });
  expect(retryDelayMs(policy, { attempt: 1, error: toRunError(other), thrown: other }, 0.5)).toBe(500);
});

test("what has no JSON is NotSerializable, also where it is too deep or cannot be read", () => {
  let deep: unknown = 1;
  for (let n = 0; n < 100_000; n++) deep = [deep];
  const unreadable = {
    get a() {
      throw new Error("not for you");
    },
  };
  const refusing = {
    toJSON() {
      throw new Error("not for you");
    },
  };
  for (const value of [deep, unreadable, refusing, Object(1n)])
    expect(() => jsonText(value, "a result")).toThrow(expect.objectContaining({ code: "NotSerializable" }));
});
