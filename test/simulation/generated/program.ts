/**
 * A workflow as pure data, and what the outside does to a run of it. `arbitrary.ts` draws them, `interpreter.ts`
 * makes them run, `reference.ts` says what may come out.
 */

/** What a workflow does. Every part has an address: `0.2.1` is the second part of the third part of the first. */
export type Node =
  /** Fails `failures` times before it ends; `refused` is final. `undo`: it is compensated. */
  /** `broken`: refused until the world is mended, after which its run is redriven. `once`: begun at most once. */
  | {
      do: "step";
      ms: number;
      failures?: number;
      refused?: true;
      undo?: true;
      large?: true;
      broken?: true;
      once?: true;
    }
  /** The workflow's own code throws, until mended code is there, by which its run is redriven. */
  | { do: "defect" }
  | { do: "sleep"; ms: number }
  | { do: "signal"; name: string; timeoutMs?: number }
  /** The person takes `answerMs`. */
  | { do: "gate"; approved: boolean; answerMs: number; timeoutMs?: number }
  | { do: "callback"; fails?: true; answerMs: number; timeoutMs?: number }
  | { do: "poll"; looks: number; everyMs: number; timeoutMs?: number }
  | { do: "publish"; value: number }
  /** Looks `looks` times whether the outside has patched the state. */
  | { do: "patched"; looks: number; everyMs: number }
  | { do: "sequence"; parts: Node[] }
  | { do: "all" | "any" | "race"; parts: Node[] }
  /** `batch`: spread over child runs, so many items each. */
  | {
      do: "map";
      count: number;
      concurrency: number;
      tolerate: number;
      refusing: number[];
      batch?: number;
      part: Node;
    }
  | { do: "child"; part: Node; detached?: true }
  | { do: "catch"; part: Node; instead: Node }
  | { do: "finally"; part: Node; after: Node };

export interface Program {
  root: Node;
  /** How often it continues as new before it ends. */
  links: number;
  /** The run's deadline. */
  timeoutMs?: number;
  /** Before each signal: as many are sent as the program may wait for. */
  gapsMs: number[];
  cancelMs?: number;
  pause?: { atMs: number; forMs: number };
  patchMs?: number;
  /** Should it fail, time out or be cancelled: mended and redriven, from its start-th operation where that is given. */
  redrive?: { afterMs: number; from?: number };
}

/** The input of a run of the generated workflow. */
export interface ProgramInput {
  root: Node;
  left: number;
  /** What the links before it have reported. */
  reports: Report[];
  /** The address of the child in the run that started it. */
  label?: string;
}

/** What a part has come to, told so that every choice made on the way can be read off it. */
export type Report =
  | string
  | boolean
  | { from: number; to: number }
  | { signal: number; at: number }
  | { approved: boolean }
  | { answered: string }
  | { looked: number }
  | { seen: boolean; at: number }
  | { first: number; report: Report }
  | Tried
  | Caught
  | { child: Report[] }
  | (Report | null)[];

export interface Tried {
  tried: Report;
}
export interface Caught {
  caught: string;
  at: number;
  report: Report;
}

/** The parts that a node is made of, by their addresses. */
export function partsOf(node: Node, at: string): [Node, string][] {
  switch (node.do) {
    case "sequence":
    case "all":
    case "any":
    case "race":
      return node.parts.map((part, index) => [part, `${at}.${index}`]);
    case "map":
      return Array.from({ length: node.count }, (_, index) => [node.part, `${at}.${index}`]);
    case "child":
      return [];
    case "catch":
      return [
        [node.part, `${at}.0`],
        [node.instead, `${at}.1`],
      ];
    case "finally":
      return [
        [node.part, `${at}.0`],
        [node.after, `${at}.1`],
      ];
    default:
      return [];
  }
}

/** A node made of other parts. */
export function withParts(node: Node, change: (part: Node) => Node): Node {
  switch (node.do) {
    case "sequence":
    case "all":
    case "any":
    case "race":
      return { ...node, parts: node.parts.map(change) };
    case "map":
    case "child":
      return { ...node, part: change(node.part) };
    case "catch":
      return { ...node, part: change(node.part), instead: change(node.instead) };
    case "finally":
      return { ...node, part: change(node.part), after: change(node.after) };
    default:
      return node;
  }
}

/** Every leaf, as often as it may be met. */
export function leavesOf(node: Node): Node[] {
  const parts = partsOf(node, "");
  return parts.length === 0 ? [node] : parts.flatMap(([part]) => leavesOf(part));
}

/** The signals that keep every wait of a program supplied, by name. */
export function signalsOf({ root, links }: Program): string[] {
  const once = leavesOf(root).flatMap((leaf) => (leaf.do === "signal" ? [leaf.name] : []));
  return Array.from({ length: links + 1 }, () => once).flat();
}
