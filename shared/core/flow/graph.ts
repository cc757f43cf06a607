/**
 * What a flow looks like: its graph, to draw, and its definition hash, to tell one structure from another.
 *
 * 1. A node's id, kind and name are those of the operation that it becomes, so a run can be drawn onto its graph.
 * 2. The hash depends on all that a run's journal depends on (kinds, names, order, nesting, lengths of time, and the
 *    order of branches), and on nothing else: not on functions, not on how a duration is written.
 */
import { durationMs } from "../duration.ts";
import { digest } from "../ids.ts";
import { canonicalJson, type JsonObject } from "../json.ts";
import type { Chain, Part } from "./chain.ts";

/** `parent` and `branch` say in which fork's branch it lies. */
export type FlowNode = {
  id: string;
  name: string;
  kind: "step" | "timer" | "signal" | "all";
  /** A timer's length. */
  durationMs?: number;
  /** How long a signal is waited for. */
  timeoutMs?: number;
  /** A fork's branches, in order. */
  branches?: string[];
  /** A step that joins the branches of the fork with this id. */
  joins?: string;
  parent?: string;
  branch?: string;
};

/** `branch` on the edges that lead from a fork into its branches. */
export type FlowEdge = { from: string; to: string; branch?: string };

/** Nodes in order of declaration. */
export type FlowGraph = { nodes: FlowNode[]; edges: FlowEdge[] };

interface Place {
  prefix: string;
  parent?: string;
  branch?: string;
}

export function graphOf(chain: Chain): FlowGraph {
  const graph: FlowGraph = { nodes: [], edges: [] };
  draw(graph, chain, { prefix: "" });
  return graph;
}

/** Answers the ids of the nodes with which the chain ends. */
function draw({ nodes, edges }: FlowGraph, chain: Chain, { prefix, ...inside }: Place): string[] {
  let ends = inside.parent === undefined ? [] : [inside.parent];
  let fork: string | undefined;
  for (const [index, part] of chain.entries()) {
    const id = `${prefix}${index + 1}`;
    const joins = part.kind === "step" && part.joins && fork !== undefined ? { joins: fork } : {};
    nodes.push({ id, name: part.name, kind: part.kind, ...detailsOf(part), ...joins, ...inside });
    const entered = index === 0 && inside.branch !== undefined ? { branch: inside.branch } : {};
    edges.push(...ends.map((from) => ({ from, to: id, ...entered })));
    ends = [id];
    if (part.kind !== "all") continue;
    fork = id;
    ends = part.branches.flatMap(([branch, inner]) =>
      draw({ nodes, edges }, inner, { prefix: `${id}/${encodeURIComponent(branch)}/`, parent: id, branch }),
    );
  }
  return ends;
}

function detailsOf(part: Part): Pick<FlowNode, "durationMs" | "timeoutMs" | "branches"> {
  switch (part.kind) {
    case "step":
      return {};
    case "timer":
      return { durationMs: durationMs(part.duration) };
    case "signal":
      return part.options.timeout === undefined ? {} : { timeoutMs: durationMs(part.options.timeout) };
    case "all":
      return { branches: part.branches.map(([name]) => name) };
  }
}

export const definitionHashOf = (chain: Chain): string => digest(canonicalJson(chain.map(shapeOf)));

function shapeOf(part: Part): JsonObject {
  const { kind, name } = part;
  if (part.kind === "all")
    return { kind, branches: part.branches.map(([branch, chain]) => [branch, chain.map(shapeOf)]) };
  return { kind, name, ...detailsOf(part), ...(part.kind === "step" && part.joins ? { joins: true } : {}) };
}
