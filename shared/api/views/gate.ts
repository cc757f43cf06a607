/** A gate as the API shows it. */
import type { Operation } from "../../core/state.ts";
import type { GateView } from "../schemas/decisions.ts";
import { iso, isoIf } from "./payloads.ts";

export function gateView({ status, decision, finishedAt }: Operation): GateView {
  if (status === "failed") return { state: "timedOut", at: isoIf(finishedAt) };
  if (decision !== undefined) {
    const { approved, at, ...rest } = decision;
    return { state: approved ? "approved" : "rejected", ...rest, at: iso(at) };
  }
  return status === "cancelled" ? { state: "cancelled", at: isoIf(finishedAt) } : { state: "pending" };
}
