/**
 * One fault in one history, at one call after another: before and after every port call there is. Tests go through a
 * part of the calls, another for each fault; `npm run simulate -- --every` goes through all of them.
 */
import type { Fault } from "../../shared/adapters/simulated/index.ts";
import { calm, type PlannedFault, type Profile } from "./plan.ts";
import { type History, World } from "./world.ts";

export const faults: readonly Fault[] = [
  { kind: "crashBefore" },
  { kind: "crashAfter" },
  { kind: "lostAnswer" },
  { kind: "failed" },
  { kind: "throttled" },
  { kind: "freezeBefore", ms: 200_000 },
  { kind: "freezeAfter", ms: 200_000 },
  { kind: "staleRead", missing: 2 },
  { kind: "shortPage", entries: 1 },
];

export const profile: Profile = { ...calm, visibilityMs: 150_000 };

/** Every process is cold, reads a few entries at a time, and packs what it has read whenever it parks. */
export const packing: Profile = { ...profile, residentRunsMax: 0, pages: { head: 3, next: 4 } };

export interface Once {
  isLossy: boolean;
  plan: PlannedFault[];
  profile?: Profile;
  isTraced?: boolean;
}

/** A scenario alone, always the same but for its faults. */
export const once = (name: string, options: Once): Promise<History> =>
  new World({ seed: 7, play: [name], profile, ...options }).run();

/** The fault at one call after another: at all of them, or at no more than `most`, spread over all. */
export async function* atEveryCall(
  name: string,
  fault: Fault,
  options: { profile?: Profile; most?: number } = {},
): AsyncGenerator<History> {
  const { most = Number.POSITIVE_INFINITY, ...rest } = options;
  const { calls } = await once(name, { isLossy: false, plan: [], ...rest });
  const stride = Math.max(1, Math.ceil(calls / most));
  const kinds = faults.map(({ kind }) => kind);
  for (let call = 1 + (kinds.indexOf(fault.kind) % stride); call <= calls; call += stride)
    yield await once(name, { isLossy: false, plan: [{ call, fault }], ...rest });
}
