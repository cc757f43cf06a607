/** The user's entry module: where it is, what it exports, and a hash of its code. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { StepfoldError } from "../../shared/core/errors.ts";
import { digest } from "../../shared/core/ids.ts";
import { isWorkflow } from "../../shared/core/workflow.ts";

/** Looked for in this order when none is named. */
const DEFAULT_ENTRIES = ["workflows/index.ts", "workflows/index.js", "workflows.ts", "workflows.js"];

export interface Entry {
  path: string;
  workflows: unknown[];
  /** Of the module and all that it imports by relative paths. */
  codeHash: string;
}

/** Throws `EntryNotFound`, `EntryBroken` and `NoWorkflows`. */
export async function loadEntry(given: string | undefined): Promise<Entry> {
  const path = entryPath(given);
  const workflows = Object.values(await imported(path)).filter(isWorkflow);
  if (workflows.length === 0)
    throw new StepfoldError(
      "NoWorkflows",
      `Expected ${shown(path)} to export workflows, got none: export what workflow(…) returns.`,
    );
  return { path, workflows, codeHash: codeHashOf(path) };
}

function entryPath(given: string | undefined): string {
  const candidates = given === undefined ? DEFAULT_ENTRIES : [given];
  const found = candidates.map((candidate) => resolve(candidate)).find(isFile);
  if (found !== undefined) return found;
  throw new StepfoldError(
    "EntryNotFound",
    `Expected a module that exports workflows at ${candidates.join(" or ")}, got no file there: name it, as in "stepfold dev path/to/workflows.ts".`,
  );
}

const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile();
const shown = (path: string): string => relative(process.cwd(), path) || path;

async function imported(path: string): Promise<object> {
  try {
    return (await import(pathToFileURL(path).href)) as object;
  } catch (cause) {
    throw new StepfoldError(
      "EntryBroken",
      `Expected ${shown(path)} to load, got ${oneLine(cause)}`,
      {},
      { cause },
    );
  }
}

/** What went wrong and where, in one line. */
function oneLine(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const stack = cause.stack ?? "";
  const where = /(?:^|\(|\bat (?:async )?)(file:\/\/[^\s)]+:\d+)/m.exec(stack)?.[1];
  const message = cause.message
    .trim()
    .split("\n")
    .filter((line) => line.trim() !== "")
    .join(" ");
  return `${cause.name}: ${message}${where === undefined ? "" : ` (${shown(placeOf(where))})`}`;
}

const placeOf = (url: string): string => {
  const [, file, line] = /^(file:.*?):(\d+)/.exec(url)!;
  return `${fileURLToPath(file!)}:${line}`;
};

const IMPORT = /\b(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g;

/** Changes whenever a module does that the entry reaches by relative imports. */
export function codeHashOf(entry: string): string {
  const hashes: string[] = [];
  const seen = new Set<string>([entry]);
  // `seen` grows while it is walked.
  for (const path of seen) {
    const text = readFileSync(path, "utf8");
    hashes.push(digest(relative(dirname(entry), path), text));
    for (const [, specifier] of text.matchAll(IMPORT)) {
      const target = resolve(dirname(path), specifier!);
      if (isFile(target)) seen.add(target);
    }
  }
  return digest(...hashes.sort());
}
