/**
 * A run of the engine's own that does one thing to every run that a filter holds, and reports on each.
 *
 * 1. Runs are listed page by page, oldest first, as of the moment at which it began: what is started later is not
 *    meant, so it comes to an end. The engine's own runs are left out, itself among them.
 * 2. A page is a step, and what is done to its runs is another: a crash repeats one page at most. Each request has an
 *    id that follows from this run and its target, so what is repeated happens once.
 * 3. It goes on with a fresh journal before that grows long: however many runs there are, no leg holds them all. What
 *    a part of it has done is then in that part's published state; the last one's output names the parts.
 */
import { PortError, StepfoldError } from "../core/errors.ts";
import { digest } from "../core/ids.ts";
import type { Json } from "../core/json.ts";
import { type AnyWorkflow, workflow } from "../core/workflow.ts";
import type { ListQuery } from "../ports/journal.ts";
import { pause, redrive, requestCancel, resume, sendSignal } from "./control.ts";
import { runsOf } from "./list.ts";
import type { Engine } from "./settings.ts";

export const BULK = "stepfold.bulk";

export const bulkActions = ["cancel", "pause", "resume", "redrive", "signal"] as const;
export type BulkAction = (typeof bulkActions)[number];
export type BulkFilter = Omit<ListQuery, "order" | "limit" | "cursor">;

export interface BulkRequest {
  action: BulkAction;
  filter: BulkFilter;
  signal?: { name: string; payload?: Json };
  reason?: string;
  by?: string;
}

/** `refused` is what the run itself answers, such as that it is finished; `failed` is anything else. */
export interface BulkItem {
  runId: string;
  outcome: "done" | "refused" | "failed";
  error?: { code: string; message: string };
}

export interface BulkReport {
  action: BulkAction;
  matched: number;
  done: number;
  refused: number;
  failed: number;
  items: BulkItem[];
  /** The runs that did what came before these items: each has its own `items` in its state. */
  parts: string[];
}

interface Progress {
  id: string;
  /** Runs created from then on are not meant. */
  before: number;
  cursor?: string;
  counts: Record<BulkItem["outcome"], number>;
  parts: string[];
}

type BulkInput = BulkRequest & { progress?: Progress };

const RUNS_PER_PAGE = 50;
const RUNS_PER_PART = 2_000;
const PAGES_PER_PART = 100;
/** Pages that hold nothing cost no step of their own. */
const EMPTY_PAGES_MAX = 50;
const AT_ONCE = 25;
const ATTEMPTS_MAX = 8;
const OWN_PREFIX = "stepfold.";
const ERROR_LENGTH_MAX = 300;

const REFUSALS = new Set([
  "RunFinished",
  "RunNotFound",
  "NotRedrivable",
  "DefinitionMismatch",
  "CancelRequested",
  "WrongDriver",
  "LeaseHeld",
]);
const patient = { maxAttempts: 100, initialDelay: "1s", maxDelay: "1m", backoff: 2 } as const;

export const bulkWorkflow = (engine: Engine): AnyWorkflow =>
  workflow(BULK, async (run, input: BulkInput): Promise<BulkReport> => {
    const { progress, ...request } = input;
    const { id, before, counts, parts } = progress ?? {
      id: run.uuid(),
      before: run.now().getTime() + 1,
      counts: { done: 0, refused: 0, failed: 0 },
      parts: [],
    };
    const items: BulkItem[] = [];
    let cursor = progress?.cursor;
    for (let pages = 1; ; pages++) {
      const from = cursor;
      const page = await run.step("list", () => pageOf(engine, request.filter, before, from), {
        retry: patient,
      });
      const act = ({ attempt }: { attempt: number }) => actOnAll(engine, request, id, page.runIds, attempt);
      const outcomes = page.runIds.length === 0 ? [] : await run.step("act", act, { retry: patient });
      for (const { outcome } of outcomes) counts[outcome]++;
      items.push(...outcomes);
      cursor = page.cursor;
      if (cursor === undefined) return reportOf(request.action, counts, items, parts);
      if (items.length < RUNS_PER_PART && pages < PAGES_PER_PART) continue;
      run.setState({ items });
      return run.continueAsNew({
        ...request,
        progress: { id, before, cursor, counts, parts: [...parts, run.runId] },
      });
    }
  });

const reportOf = (
  action: BulkAction,
  counts: Progress["counts"],
  items: BulkItem[],
  parts: string[],
): BulkReport => ({
  action,
  matched: counts.done + counts.refused + counts.failed,
  ...counts,
  items,
  parts,
});

async function pageOf(
  engine: Engine,
  filter: BulkFilter,
  before: number,
  from: string | undefined,
): Promise<{ runIds: string[]; cursor?: string }> {
  const createdBefore = Math.min(filter.createdBefore ?? before, before);
  let cursor = from;
  for (let looked = 1; ; looked++) {
    const page = await runsOf(engine, {
      ...filter,
      createdBefore,
      order: "asc",
      limit: RUNS_PER_PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    const meant = page.headers.filter(
      ({ created }) => !created.workflow.startsWith(OWN_PREFIX) || created.workflow === filter.workflow,
    );
    cursor = page.cursor;
    if (meant.length > 0 || cursor === undefined || looked === EMPTY_PAGES_MAX)
      return { runIds: meant.map(({ runId }) => runId), ...(cursor === undefined ? {} : { cursor }) };
  }
}

async function actOnAll(
  engine: Engine,
  request: BulkRequest,
  id: string,
  runIds: readonly string[],
  attempt: number,
): Promise<BulkItem[]> {
  const items: BulkItem[] = [];
  for (let from = 0; from < runIds.length; from += AT_ONCE) {
    const some = runIds.slice(from, from + AT_ONCE);
    items.push(...(await Promise.all(some.map((runId) => actOn(engine, request, id, runId, attempt)))));
  }
  return items;
}

async function actOn(
  engine: Engine,
  request: BulkRequest,
  id: string,
  runId: string,
  attempt: number,
): Promise<BulkItem> {
  try {
    await act(engine, request, runId, digest("bulk", id, runId));
    return { runId, outcome: "done" };
  } catch (error) {
    if (!(error instanceof StepfoldError)) throw error;
    const mayPass = error.code === "WriteConflict" || (error instanceof PortError && error.retryable);
    if (mayPass && attempt < ATTEMPTS_MAX) throw error;
    const { code, message } = error;
    const outcome = REFUSALS.has(code) ? "refused" : "failed";
    return { runId, outcome, error: { code, message: message.slice(0, ERROR_LENGTH_MAX) } };
  }
}

async function act(engine: Engine, request: BulkRequest, runId: string, requestId: string): Promise<void> {
  const { action, reason, by, signal } = request;
  const why = { requestId, ...(reason === undefined ? {} : { reason }), ...(by === undefined ? {} : { by }) };
  switch (action) {
    case "cancel":
      await requestCancel(engine, runId, why);
      return;
    case "pause":
      await pause(engine, runId, why);
      return;
    case "resume":
      await resume(engine, runId, why);
      return;
    case "redrive":
      await redrive(engine, runId, { requestId });
      return;
    case "signal":
      await sendSignal(engine, { runId, ...signal!, signalId: requestId });
      return;
  }
}
