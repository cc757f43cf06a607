/** A status change as the event that EventBridge gets, and a publisher that tells nobody. */
import type { Publisher, StatusChange } from "../../ports/publisher.ts";

export const EVENT_SOURCE = "stepfold";
export const EVENT_DETAIL_TYPE = "Run Status Changed";

export const detailOf = ({ at, ...change }: StatusChange): object => ({
  ...change,
  at: new Date(at).toISOString(),
});

export const silence: Publisher = { tells: () => false, publish: async () => {} };
