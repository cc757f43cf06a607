/**
 * A schedule's times, and its overlap policy: which of them start a run.
 *
 * 1. A time's run has an id that follows from the schedule's name and the time, so a time that comes twice starts
 *    nothing twice. A time that comes after a later one was decided is dropped.
 * 2. Except for `allow`, what a time comes to is decided by one conditional write of the schedule's register: the
 *    last time decided, and the run that it last decided to start. The start follows the write, and whoever comes
 *    next makes it good if its decider died between the two. So two runs never overlap, whatever comes twice, late
 *    or at once.
 * 3. `skip` drops a time while that run is unfinished. `queue` puts it in line: a run of the engine's own (`turn.ts`)
 *    waits for all that is before it, and starts it then. The line is bounded; a time that finds it full is dropped.
 * 4. A turn that was cancelled gives its place up, and nobody's else: who stood behind it still waits for who stands
 *    before it.
 * 5. A run that continues as another is finished when the last of them is.
 */
import { PortError, StepfoldError, toRunError } from "../core/errors.ts";
import { runIdOfKey } from "../core/ids.ts";
import type { Json } from "../core/json.ts";
import { SCHEDULE_LINE_MAX } from "../core/limits.ts";
import type { Engine } from "./settings.ts";
import { type StartRequest, start } from "./start.ts";
import { overBefore, TURN, type TurnInput } from "./turn.ts";

/** When an earlier run is not finished: start nothing, start once all of them are, or start all the same. */
export type Overlap = "skip" | "queue" | "allow";

/** One time of a schedule. */
export interface Firing {
  schedule: string;
  overlap: Overlap;
  workflow: string;
  input: Json | undefined;
  /** Epoch ms. */
  at: number;
}

/** What was decided last. */
interface Decided {
  at: number;
  current?: Current;
}

/** The run that was last decided to start. */
interface Current {
  runId: string;
  /** The run that waits for the end of all that is before it, and starts it then. */
  turnRunId?: string;
  /** Turns and runs, the first in line first. */
  after?: string[];
  /** How to start it; absent once that is done. */
  request?: StartRequest;
}

/** How often a decider gives way to others before its message comes again. */
const DECIDE_MAX = 20;

/** Takes one time of a schedule. It may have been taken before. Throws what starting its run throws. */
export async function fire(engine: Engine, firing: Firing): Promise<void> {
  const request = requestOf(firing);
  if (firing.overlap === "allow") return void (await start(engine, request));
  const name = `schedule/${firing.schedule}`;
  for (let tries = 0; tries < DECIDE_MAX; tries++) {
    const register = await engine.registers.get(name);
    const last = register?.value as Decided | undefined;
    const decided = last !== undefined && last.at >= firing.at ? last : await decide(engine, firing, last);
    const revision = register?.revision ?? 0;
    if (decided !== last && !(await engine.registers.put(name, asJson(decided), revision))) continue;
    if (decided.at > firing.at) tell(engine, firing, "came after a later one");
    if (decided.current?.request === undefined) return;
    await begin(engine, decided.current);
    const { request: _started, ...current } = decided.current;
    await engine.registers.put(name, asJson({ ...decided, current }), revision + (decided === last ? 0 : 1));
    return;
  }
  throw new StepfoldError(
    "WriteConflict",
    `Too many deciders contend for the schedule ${firing.schedule}: it is tried again.`,
  );
}

async function decide(engine: Engine, firing: Firing, last: Decided | undefined): Promise<Decided> {
  const { at, overlap } = firing;
  const request = requestOf(firing);
  const runId = request.runId!;
  const current = last?.current;
  const line = current === undefined ? [] : await lineOf(engine, current);
  if (line.length === 0) return { at, current: { runId, request } };
  const isFull = line.length >= LINE_PLACES * SCHEDULE_LINE_MAX;
  if (overlap === "queue" && !isFull)
    return { at, current: { runId, turnRunId: runIdOfKey(TURN, runId), after: line, request } };
  tell(engine, firing, overlap === "queue" ? "met a line that is full" : "met an unfinished run");
  const { request: _started, ...kept } = current!;
  return { at, current: kept };
}

/** Each time in line has a turn and a run. */
const LINE_PLACES = 2;

/** What is not over yet, in its order; the last that was decided on is started first, if nobody has come to do so. */
async function lineOf(engine: Engine, current: Current): Promise<string[]> {
  const { after = [], turnRunId, runId, request } = current;
  const isThere = request === undefined || (await begun(engine, current));
  const own = turnRunId === undefined ? [runId] : [turnRunId, runId];
  const line = [...after, ...(isThere ? own : [])];
  return line.slice(await overBefore(engine, line));
}

/** False if it is refused for good, and so never was. */
async function begun(engine: Engine, current: Current): Promise<boolean> {
  try {
    await begin(engine, current);
    return true;
  } catch (error) {
    if (error instanceof PortError || !(error instanceof StepfoldError)) throw error;
    engine.log.error("A schedule's run cannot be started.", { ...toRunError(error) });
    return false;
  }
}

async function begin(engine: Engine, { turnRunId, after, request }: Current): Promise<void> {
  if (turnRunId === undefined || after === undefined) return void (await start(engine, request!));
  const { tags, trigger } = request!;
  const input: TurnInput = { after, request: request!, looks: 0 };
  const turn: StartRequest = { workflow: TURN, input: asJson(input) };
  Object.assign(turn, { runId: turnRunId, tags, trigger });
  await start(engine, turn, engine.registry.find(TURN));
}

function requestOf({ schedule, workflow, input, at }: Firing): StartRequest {
  const request: StartRequest = {
    workflow,
    runId: runIdOfKey(workflow, `schedule/${schedule} ${new Date(at).toISOString()}`),
    trigger: `schedule/${schedule}`,
    tags: { schedule },
  };
  return input === undefined ? request : { ...request, input };
}

const tell = (engine: Engine, { schedule, at }: Firing, why: string): void =>
  engine.log.info(`A time of a schedule starts nothing: it ${why}.`, { schedule, at });

const asJson = (value: Decided | TurnInput): Json => value as unknown as Json;
