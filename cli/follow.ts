/**
 * A run as it goes on, until it is finished: a picture that is drawn again where somebody looks, lines or JSON Lines
 * where nobody does.
 *
 * 1. A run that continues as another is followed there.
 * 2. A host that does not answer is asked again for a while: it may be on its way back.
 * 3. Whoever leaves (Ctrl-C) leaves the run as it is.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type OperationView, type Run, StepfoldClientError } from "../shared/client/index.ts";
import type { Api } from "./commands/api.ts";
import { Operations } from "./operations.ts";
import { isFinished } from "./outcome.ts";
import { ChangeLines } from "./print/changes.ts";
import { LiveView } from "./print/live.ts";
import { runLines } from "./print/run.ts";
import { timeline } from "./print/timeline.ts";

/** Between two looks at a run: the longer nothing happens, the longer. */
const LOOK_MS = 200;
const LOOK_MS_MAX = 2_000;
const SILENT_MS_MAX = 30_000;
const OPERATIONS_MAX = 2_000;
/** What a shell says of a command that Ctrl-C ended. */
const LEFT = 130;

export interface Moment {
  run: Run;
  operations: OperationView[];
}

/** The finished run, or nothing for who left. Prints on the way, and how it ended. */
export async function followRun(api: Api, first: Run): Promise<Run | undefined> {
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  process.once("SIGINT", leave);
  const show = api.isJson ? jsonShow(api) : api.terminal.height === undefined ? lineShow(api) : liveShow(api);
  let last: Moment | undefined;
  try {
    for await (const moment of moments(api, first.runId, leaving.signal)) {
      last = moment;
      show(moment);
    }
    return last?.run;
  } catch (error) {
    if (!leaving.signal.aborted) throw error;
    api.terminal.note(
      "",
      `Left; the run goes on. Follow it again: ${api.next("watch", last?.run.runId ?? first.runId)}`,
    );
    process.exitCode = LEFT;
    return undefined;
  } finally {
    process.off("SIGINT", leave);
  }
}

/** The run whenever it has changed, and where somebody looks also in between, until it is finished. */
async function* moments(api: Api, runId: string, signal: AbortSignal): AsyncGenerator<Moment> {
  const { client } = api;
  let operations = new Operations(client, runId);
  let current = runId;
  for (;;) {
    const run = await patiently(() => client.get(current), signal);
    const moment = { run, operations: await patiently(() => operations.read(OPERATIONS_MAX), signal) };
    yield moment;
    if (run.continuedTo !== undefined) {
      current = run.continuedTo;
      operations = new Operations(client, current);
    } else if (isFinished(run)) return;
    else yield* untilChanged(api, moment, signal);
  }
}

async function* untilChanged(
  { client, terminal }: Api,
  moment: Moment,
  signal: AbortSignal,
): AsyncGenerator<Moment> {
  const { runId, revision } = moment.run;
  for (let waitMs = LOOK_MS; ; waitMs = Math.min(LOOK_MS_MAX, waitMs * 1.5)) {
    await sleep(waitMs, undefined, { signal });
    const { items } = await patiently(() => client.journal(runId, { after: revision, limit: 1 }), signal);
    if (items.length > 0) return;
    if (terminal.height !== undefined) yield moment;
  }
}

const PASSING: readonly number[] = [0, 429, 502, 503, 504];

/** A run that continues as another may be a moment ahead of it. */
async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let silentMs = 0; ; silentMs += LOOK_MS) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      const isPassing =
        error instanceof StepfoldClientError &&
        (PASSING.includes(error.status) || error.code === "RunNotFound");
      if (!isPassing || silentMs >= SILENT_MS_MAX) throw error;
    }
    await sleep(LOOK_MS, undefined, { signal });
  }
}

const jsonShow = (api: Api) => {
  let seen = "";
  return ({ run }: Moment): void => {
    const now = `${run.runId} ${run.revision}`;
    if (now !== seen) api.sayJsonLine(run);
    seen = now;
  };
};

function lineShow(api: Api): (moment: Moment) => void {
  const changes = new ChangeLines(api);
  return (moment) => {
    api.terminal.say(...changes.of(moment));
    if (isFinished(moment.run)) api.terminal.say("", ...runLines(moment.run, moment.operations, api));
  };
}

function liveShow(api: Api): (moment: Moment) => void {
  const view = new LiveView(api.terminal);
  return ({ run, operations }) => {
    const { terminal } = api;
    const lines = [
      ...runLines(run, operations, api),
      "",
      ...timeline(run, operations, { terminal, now: api.now() }),
    ];
    view.draw(lines, { isLast: isFinished(run) });
  };
}
