/**
 * What went wrong, in one line that says what to do next, and the exit code: 1 where something failed or was refused,
 * 2 where the command was used wrongly.
 */
import { StepfoldClientError } from "../../shared/client/index.ts";
import { StepfoldError } from "../../shared/core/errors.ts";
import { plain } from "../print/text.ts";
import type { Connection } from "./connection.ts";

export const FAILED = 1;
export const WRONG_USE = 2;

export interface Problem {
  code: string;
  message: string;
  exitCode: number;
}

export function problemOf(error: unknown): Problem {
  if (error instanceof StepfoldClientError) {
    const isWrongUse = error.status === 400 || error.status === 422;
    return { code: error.code, message: plain(error.detail), exitCode: isWrongUse ? WRONG_USE : FAILED };
  }
  if (error instanceof StepfoldError)
    return { code: error.code, message: plain(error.message), exitCode: WRONG_USE };
  const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
  return { code: name, message: plain(message), exitCode: FAILED };
}

/** The same failure, saying what to do about it. */
export function explained(error: unknown, connection: Connection): unknown {
  if (!(error instanceof StepfoldClientError)) return error;
  const hint = hintOf(error, connection);
  if (hint === undefined) return error;
  const { code, status, data } = error;
  const sentence = `${detailOf(error, connection).trimEnd().replace(/[.:]$/, "")}: ${hint}`;
  return new StepfoldClientError({ code, status, detail: sentence, data }, { cause: error });
}

/** Who was asked matters where nobody answered; what the connection failed with, little. */
function detailOf({ code, detail }: StepfoldClientError, { url }: Connection): string {
  if (code !== "Unreachable") return detail;
  const reason = /\bE[A-Z]{4,}\b/.exec(detail)?.[0] ?? /got none: (?:\w*Error: )?(.*)/.exec(detail)?.[1];
  return `Expected a host at ${url}, got no answer${reason === undefined ? "" : ` (${reason})`}`;
}

function hintOf(error: StepfoldClientError, { next, url }: Connection): string | undefined {
  const { code, status, data } = error;
  if (code === "Unreachable") {
    const isHere = /^https?:\/\/(127\.|localhost)/.test(url);
    return isHere
      ? "start one with `stepfold dev`, or say where it is by --url or --stack."
      : "check the address and the network, or say where it is by --url or --stack.";
  }
  if (status === 401) return "give a token that is valid now by --token or STEPFOLD_TOKEN.";
  if (status === 403 && code === "UnknownAnswer")
    return "these credentials may not call the API (flows.grantInvoke lets a principal; --sign signs requests, --token sends a token).";
  if (code === "RunNotFound") return `\`${next("list")}\` shows those there are.`;
  if (["NotWaiting", "AlreadyDecided", "RunFinished", "NotRedrivable", "OperationNotFound"].includes(code)) {
    const runId = typeof data.runId === "string" ? data.runId : undefined;
    return runId === undefined ? undefined : `\`${next("show", runId)}\` shows it.`;
  }
  return undefined;
}
