/** A clock whose sleeps end at once and are kept, for tests of retries. */
import { systemClock } from "../../../shared/adapters/local/clock.ts";
import type { Clock } from "../../../shared/ports/clock.ts";

export interface InstantClock extends Clock {
  slept: number[];
}

export function instantClock(): InstantClock {
  const slept: number[] = [];
  const sleep = async (ms: number) => {
    slept.push(ms);
  };
  return { ...systemClock, slept, sleep };
}

export const region = { region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" } };

/** An error as the SDK throws it. */
export function awsError(name: string, status = 400, message = "told by AWS"): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status, requestId: "r-1" } });
}
