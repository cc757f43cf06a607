/** Programs by chance, by fast-check: it draws them from a seed, and makes those that fail smaller. */
import fc from "fast-check";
import { type Node, type Program, withParts } from "./program.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Lengths on both sides of what the engine does differently: awaits, delays a message, makes a schedule. */
const lengthMs = fc.constantFrom(0, 100, 20 * SECOND_MS, 3 * MINUTE_MS, 14 * MINUTE_MS, 40 * MINUTE_MS);
const answerMs = fc.constantFrom(0, 300, 50 * SECOND_MS, 10 * MINUTE_MS, 2 * HOUR_MS);
const timeoutMs = fc.constantFrom(200, 2 * MINUTE_MS, 20 * MINUTE_MS, 5 * HOUR_MS);
const flag = fc.constant(true as const);

/** A part of which only some keys are always there. */
const part = <T>(required: { [K in keyof T]: fc.Arbitrary<T[K]> }, requiredKeys: (keyof T)[]) =>
  fc.record(required, { requiredKeys: requiredKeys as never }) as unknown as fc.Arbitrary<Node>;

const step = part(
  {
    do: fc.constant("step"),
    ms: fc.constantFrom(0, 0, 200, 4_000, 30_000),
    failures: fc.integer({ min: 1, max: 3 }),
    undo: flag,
  },
  ["do", "ms"],
);
const large = part({ do: fc.constant("step"), ms: fc.constant(0), large: flag, undo: flag }, [
  "do",
  "ms",
  "large",
]);
const refused = part({ do: fc.constant("step"), ms: fc.constantFrom(0, 900), refused: flag }, [
  "do",
  "ms",
  "refused",
]);
const broken = part({ do: fc.constant("step"), ms: fc.constantFrom(0, 900), broken: flag, undo: flag }, [
  "do",
  "ms",
  "broken",
]);
const defect: fc.Arbitrary<Node> = fc.constant({ do: "defect" });
const once = part({ do: fc.constant("step"), ms: fc.constantFrom(0, 900, 4_000), once: flag }, [
  "do",
  "ms",
  "once",
]);
const sleep = part({ do: fc.constant("sleep"), ms: lengthMs }, ["do", "ms"]);
const name = fc.constantFrom("red", "blue");
const signal = part({ do: fc.constant("signal"), name, timeoutMs }, ["do", "name"]);
/** Nobody knows a child's id to send it anything. */
const timedSignal = part({ do: fc.constant("signal"), name, timeoutMs }, ["do", "name", "timeoutMs"]);
const gate = part({ do: fc.constant("gate"), approved: fc.boolean(), answerMs, timeoutMs }, [
  "do",
  "approved",
  "answerMs",
]);
const callback = part({ do: fc.constant("callback"), fails: flag, answerMs, timeoutMs }, ["do", "answerMs"]);
const poll = part(
  {
    do: fc.constant("poll"),
    looks: fc.integer({ min: 1, max: 4 }),
    everyMs: fc.constantFrom(100, 30 * SECOND_MS, 10 * MINUTE_MS),
    timeoutMs,
  },
  ["do", "looks", "everyMs"],
);
const publish = part({ do: fc.constant("publish"), value: fc.nat(9) }, ["do", "value"]);
const patched = part(
  {
    do: fc.constant("patched"),
    looks: fc.integer({ min: 1, max: 4 }),
    everyMs: fc.constantFrom(MINUTE_MS, 20 * MINUTE_MS),
  },
  ["do", "looks", "everyMs"],
);

const common = [
  { arbitrary: step, weight: 6 },
  { arbitrary: refused, weight: 1 },
  { arbitrary: large, weight: 1 },
  { arbitrary: once, weight: 1 },
  { arbitrary: sleep, weight: 4 },
  { arbitrary: gate, weight: 1 },
  { arbitrary: callback, weight: 1 },
  { arbitrary: poll, weight: 1 },
  { arbitrary: publish, weight: 1 },
];
const leafOfChild = fc.oneof(...common, { arbitrary: timedSignal, weight: 1 });
/** What knows nothing of the run that it is in: parts of maps that are spread over others. */
const leafOfTree = fc.oneof(
  { arbitrary: step, weight: 4 },
  { arbitrary: refused, weight: 1 },
  { arbitrary: broken, weight: 1 },
  { arbitrary: once, weight: 1 },
  { arbitrary: sleep, weight: 2 },
  { arbitrary: callback, weight: 1 },
  { arbitrary: poll, weight: 1 },
);
const treePart = fc.oneof(
  leafOfTree,
  fc.record({
    do: fc.constant("sequence" as const),
    parts: fc.array(leafOfTree, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    do: fc.constantFrom("all" as const, "race" as const),
    parts: fc.array(leafOfTree, { minLength: 1, maxLength: 2 }),
  }),
);
const treeMap: fc.Arbitrary<Node> = fc.integer({ min: 1, max: 7 }).chain((count) =>
  fc.record({
    do: fc.constant("map" as const),
    count: fc.constant(count),
    concurrency: fc.integer({ min: 1, max: 4 }),
    tolerate: fc.integer({ min: 0, max: 2 }),
    refusing: fc.uniqueArray(fc.nat(count - 1), { maxLength: 2 }),
    batch: fc.integer({ min: 1, max: 3 }),
    part: treePart,
  }),
);
const leaf = fc.oneof(
  ...common,
  { arbitrary: broken, weight: 2 },
  { arbitrary: defect, weight: 1 },
  { arbitrary: treeMap, weight: 1 },
  { arbitrary: signal, weight: 4 },
  { arbitrary: patched, weight: 1 },
  { arbitrary: leafOfChild.map((part): Node => ({ do: "child", part })), weight: 1 },
);

/** Forks of what is below. */
function forksOf(below: fc.Arbitrary<Node>): fc.Arbitrary<Node>[] {
  const parts = fc.array(below, { minLength: 1, maxLength: 3 });
  const map = fc.integer({ min: 0, max: 4 }).chain((count) =>
    fc.record({
      do: fc.constant("map" as const),
      count: fc.constant(count),
      concurrency: fc.integer({ min: 1, max: 3 }),
      tolerate: fc.integer({ min: 0, max: 2 }),
      refusing: count === 0 ? fc.constant<number[]>([]) : fc.uniqueArray(fc.nat(count - 1), { maxLength: 2 }),
      part: below,
    }),
  );
  return [
    fc.record({ do: fc.constantFrom("all" as const, "any" as const, "race" as const), parts }),
    fc.record({ do: fc.constantFrom("all" as const, "race" as const), parts }),
    map,
    fc.record({ do: fc.constant("catch" as const), part: below, instead: below }),
    fc.record({ do: fc.constant("finally" as const), part: below, after: step }),
  ];
}

const sequence = (below: fc.Arbitrary<Node>): fc.Arbitrary<Node> =>
  fc.record({ do: fc.constant("sequence" as const), parts: fc.array(below, { maxLength: 4 }) });

/** Three levels of forks and sequences over leaves: deep enough for anything to be inside of anything. */
function treeOf(leaves: fc.Arbitrary<Node>): fc.Arbitrary<Node> {
  const low = fc.oneof({ arbitrary: leaves, weight: 4 }, ...forksOf(leaves), sequence(leaves));
  const middle = fc.oneof({ arbitrary: leaves, weight: 2 }, ...forksOf(low), sequence(low));
  return fc.oneof(sequence(middle), sequence(middle), ...forksOf(middle));
}

const childTree = fc.oneof(leafOfChild, sequence(leafOfChild), ...forksOf(leafOfChild));
const child = fc.record(
  { do: fc.constant("child" as const), part: childTree, detached: flag },
  { requiredKeys: ["do", "part"] },
) as fc.Arbitrary<Node>;

const atMs = fc.constantFrom(0, 50, 2_000, 5_000, MINUTE_MS, 4 * MINUTE_MS, 25 * MINUTE_MS, 3 * HOUR_MS);

const drawn = fc.record({
  root: treeOf(fc.oneof({ arbitrary: leaf, weight: 8 }, child)),
  links: fc.constantFrom(0, 0, 0, 1, 2),
  gapsMs: fc.array(fc.constantFrom(0, 5, 3_000, 6 * MINUTE_MS, 50 * MINUTE_MS), {
    minLength: 1,
    maxLength: 4,
  }),
  timeoutMs: fc.constantFrom(undefined, undefined, undefined, MINUTE_MS, 40 * MINUTE_MS, 10 * HOUR_MS),
  cancelMs: fc.oneof({ arbitrary: fc.constant(undefined), weight: 3 }, atMs),
  pause: fc.oneof(
    { arbitrary: fc.constant(undefined), weight: 3 },
    fc.record({ atMs, forMs: fc.constantFrom(0, 700, 20 * MINUTE_MS) }),
  ),
  patchMs: fc.oneof(fc.constant(undefined), atMs),
  redrive: fc.oneof(
    fc.constant(undefined),
    fc.record(
      { afterMs: fc.constantFrom(0, 3_000, 20 * MINUTE_MS), from: fc.nat(9) },
      { requiredKeys: ["afterMs"] },
    ),
  ),
});

/** No defect where something would take up what it throws, and go on: mended code would not ask for that any more, and
 * the journal has it. */
function showing(node: Node, isHidden = false): Node {
  if (node.do === "defect" && isHidden) return { do: "step", ms: 0 };
  const hides = node.do === "any" || node.do === "map" || node.do === "child" || node.do === "finally";
  return withParts(node, (part) => showing(part, isHidden || hides));
}

/** Absent keys are absent: a program is compared and printed as JSON. */
export const program: fc.Arbitrary<Program> = drawn.map(
  (program) => JSON.parse(JSON.stringify({ ...program, root: showing(program.root) })) as Program,
);

/** The program of a seed. */
export const programOf = (seed: number): Program =>
  fc.sample(program, { seed, numRuns: 1, unbiased: true })[0]!;
