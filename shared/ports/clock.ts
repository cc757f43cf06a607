/**
 * Time and chance: the only ways by which either enters the engine. The memory adapter's are virtual and seeded.
 */
export interface Clock {
  /** Epoch milliseconds. May go back a little (clock adjustments) and differ between processes. */
  now(): number;
  /** Resolves after `ms`, or at once when `signal` aborts (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls back after `ms`; the answer cancels it. Cheaper than `sleep` where nothing waits. */
  after(ms: number, callback: () => void): () => void;
  /** Uniform in [0, 1). */
  random(): number;
  /** 16 random bytes as 22 base64url characters. */
  id(): string;
}
