/** Programs that are a little smaller than a given one: to find the smallest that still goes wrong. */
import type { Node, Program } from "./program.ts";

/** Larger steps first: what is left out at once need not be made smaller bit by bit. */
export function* smallerPrograms(program: Program): Generator<Program> {
  for (const key of ["cancelMs", "pause", "patchMs", "timeoutMs", "redrive"] as const)
    if (program[key] !== undefined) yield without(program, key);
  if (program.links > 0) yield { ...program, links: program.links - 1 };
  for (const root of smallerNodes(program.root)) yield { ...program, root };
  if (program.gapsMs.some((ms) => ms > 0)) yield { ...program, gapsMs: [0] };
}

function* smallerNodes(node: Node): Generator<Node> {
  yield* hoisted(node);
  switch (node.do) {
    case "sequence":
    case "all":
    case "any":
    case "race":
      yield* smallerLists(node);
      break;
    case "map":
      if (node.count > 1) yield { ...node, count: node.count - 1, refusing: [] };
      if (node.refusing.length > 0) yield { ...node, refusing: node.refusing.slice(1) };
      for (const part of smallerNodes(node.part)) yield { ...node, part };
      break;
    case "child":
    case "finally":
      for (const part of smallerNodes(node.part)) yield { ...node, part };
      break;
    case "catch":
      for (const part of smallerNodes(node.part)) yield { ...node, part };
      for (const instead of smallerNodes(node.instead)) yield { ...node, instead };
      break;
    default:
      yield* plainer(node);
  }
}

/** One of its parts in its place. */
function* hoisted(node: Node): Generator<Node> {
  if ("parts" in node) yield* node.parts;
  if ("part" in node) yield node.part;
  if ("instead" in node) yield node.instead;
  if ("after" in node) yield node.after;
}

function* smallerLists(node: Extract<Node, { parts: Node[] }>): Generator<Node> {
  const least = node.do === "sequence" ? 0 : 1;
  for (const index of node.parts.keys())
    if (node.parts.length > least) yield { ...node, parts: node.parts.filter((_, place) => place !== index) };
  for (const [index, part] of node.parts.entries())
    for (const smaller of smallerNodes(part))
      yield { ...node, parts: node.parts.map((other, place) => (place === index ? smaller : other)) };
}

function* plainer(node: Node): Generator<Node> {
  const { do: what } = node;
  if (what !== "step" && what !== "publish") yield { do: "step", ms: 0 };
  for (const key of ["failures", "undo", "large", "fails", "broken", "once"] as const)
    if (key in node) yield without(node as Record<string, unknown>, key) as Node;
  if (what === "step" && node.ms > 0) yield { ...node, ms: 0 };
}

function without<Whole extends object>(whole: Whole, key: keyof Whole): Whole {
  const { [key]: _left, ...rest } = whole;
  return rest as Whole;
}
