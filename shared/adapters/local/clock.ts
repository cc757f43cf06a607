/** Real time and real chance. */
import { randomFillSync } from "node:crypto";
import type { Clock } from "../../ports/clock.ts";

const ID_BYTES = 16;
const ID_LENGTH = 22;
/** The longest that one timer of the platform can be. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Random bytes for many ids, drawn together. */
const pool = Buffer.alloc(256 * ID_BYTES);
let used = pool.length;

function id(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += ID_BYTES;
  return pool.toString("base64url", used - ID_BYTES, used).slice(0, ID_LENGTH);
}

function after(ms: number, callback: () => void): () => void {
  let leftMs = ms;
  let timer: NodeJS.Timeout;
  const arm = () => {
    const partMs = Math.min(leftMs, TIMER_MS_MAX);
    leftMs -= partMs;
    timer = setTimeout(leftMs > 0 ? arm : callback, partMs);
  };
  arm();
  return () => clearTimeout(timer);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = after(ms, end);
    signal?.addEventListener("abort", end);
  });
}

export const systemClock: Clock = { now: Date.now, sleep, after, random: Math.random, id };
