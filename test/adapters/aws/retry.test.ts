import { describe, expect, it } from "vitest";
import {
  ATTEMPTS_MAX,
  backoffMs,
  type Call,
  withLeftovers,
  withRetry,
} from "../../../shared/adapters/aws/retry.ts";
import { PortError } from "../../../shared/core/errors.ts";
import { awsError, instantClock } from "./clock.ts";

const call: Call = {
  doing: "append entry 7 of run r-9",
  data: { runId: "r-9" },
  missing: { errors: ["ResourceNotFoundException"], code: "TableNotFound", message: "Run `cdk deploy`." },
};

async function failing(error: unknown): Promise<{ thrown: PortError; attempts: number; slept: number[] }> {
  const clock = instantClock();
  let attempts = 0;
  const action = async () => {
    attempts++;
    throw error;
  };
  const thrown = await withRetry(clock, call, action).then(
    () => undefined,
    (cause) => cause,
  );
  expect(thrown).toBeInstanceOf(PortError);
  return { thrown, attempts, slept: clock.slept };
}

const refusedConnection = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
const resetConnection = Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
const flagged = Object.assign(new Error("later"), { name: "Odd", $retryable: { throttling: true } });

describe("which failures may pass", () => {
  it.each([
    ["throttling", awsError("ThrottlingException"), "Throttled", true, ATTEMPTS_MAX],
    ["a hot partition", awsError("ProvisionedThroughputExceededException"), "Throttled", true, ATTEMPTS_MAX],
    ["429", awsError("Odd", 429), "Throttled", true, ATTEMPTS_MAX],
    ["the SDK's own flag", flagged, "Throttled", true, ATTEMPTS_MAX],
    ["a server's error", awsError("InternalServerError", 500), "Unavailable", true, ATTEMPTS_MAX],
    ["a time-out", awsError("TimeoutError", 0), "Unavailable", true, ATTEMPTS_MAX],
    ["no connection", refusedConnection, "Unavailable", true, ATTEMPTS_MAX],
    ["a lost connection", resetConnection, "Unavailable", true, ATTEMPTS_MAX],
    ["a quota", awsError("ServiceQuotaExceededException", 402), "QuotaExceeded", true, 1],
    ["a missing table", awsError("ResourceNotFoundException"), "TableNotFound", false, 1],
    ["no credentials", awsError("CredentialsProviderError", 0), "NoCredentials", false, 1],
    ["expired credentials", awsError("ExpiredTokenException"), "NoCredentials", false, 1],
    ["no region", new Error("Region is missing"), "NoRegion", false, 1],
    ["no permission", awsError("AccessDeniedException"), "AccessDenied", false, 1],
    ["a wrong request", awsError("ValidationException"), "RequestRefused", false, 1],
    ["what is no error", "a text", "RequestRefused", false, 1],
  ])("%s", async (_name, error, code, retryable, attempts) => {
    const outcome = await failing(error);
    expect(outcome.thrown).toMatchObject({ code, retryable });
    expect(outcome.attempts).toBe(attempts);
    expect(outcome.slept).toHaveLength(attempts - 1);
  });

  it("says what was being done to which run, with the cause", async () => {
    const cause = awsError("ValidationException");
    const { thrown } = await failing(cause);
    expect(thrown.message).toBe("Could not append entry 7 of run r-9: ValidationException: told by AWS");
    expect(thrown).toMatchObject({
      cause,
      data: { runId: "r-9", error: "ValidationException", requestId: "r-1" },
    });
  });

  it("leaves another adapter's PortError as it is", async () => {
    const error = new PortError("BlobNotFound", "none", { retryable: false });
    expect((await failing(error)).thrown).toBe(error);
  });

  it("answers what a later attempt answers", async () => {
    const clock = instantClock();
    let attempts = 0;
    const answer = await withRetry(clock, call, async () => {
      if (++attempts < ATTEMPTS_MAX) throw awsError("SlowDown", 503);
      return "done";
    });
    expect(answer).toBe("done");
  });

  it("waits with full jitter under a ceiling that doubles, up to two seconds", () => {
    const ceiling = (attempt: number) => backoffMs(attempt, { ...instantClock(), random: () => 1 });
    expect([1, 2, 3, 4, 5, 9].map(ceiling)).toEqual([200, 400, 800, 1_600, 2_000, 2_000]);
    expect(backoffMs(5, { ...instantClock(), random: () => 0.25 })).toBe(500);
  });
});

describe("what a batch leaves over", () => {
  it("is sent again, and only that", async () => {
    const sent: string[][] = [];
    const clock = instantClock();
    await withLeftovers(clock, call, ["a", "b", "c"], async (items) => {
      sent.push(items);
      return { again: items.slice(1) };
    });
    expect(sent).toEqual([["a", "b", "c"], ["b", "c"], ["c"]]);
    expect(clock.slept).toHaveLength(2);
  });

  it("fails when nothing more gets through", async () => {
    let attempts = 0;
    const stuck = withLeftovers(instantClock(), call, ["a", "b"], async (items) => {
      attempts++;
      return { again: items, reason: "ThrottlingException" };
    });
    await expect(stuck).rejects.toMatchObject({
      code: "Throttled",
      retryable: true,
      data: { runId: "r-9", left: 2, reason: "ThrottlingException" },
    });
    expect(attempts).toBe(ATTEMPTS_MAX);
  });
});
