/**
 * The import table: which part of the house may use which. Imports point one way, from the outside to the core.
 *
 * 1. `core ← ports ← engine`: the engine knows no adapter, an adapter knows no engine.
 * 2. `functions/`, `cdk/` and `cli/` sit outside and may use everything; nothing in `shared/` uses them.
 * 3. A part that is not in the table may not exist.
 */
import { importsOf, type SourceFile } from "./source.ts";

interface Rule {
  /** Parts of which values and types may be used. A part may always use itself. */
  parts: readonly string[];
  /** Parts of which only types may be used. */
  types?: readonly string[];
  /** Packages and `node:` modules, by name; `*` stands for any ending. */
  packages: readonly string[];
  /** Packages of which only types may be used. */
  packageTypes?: readonly string[];
}

export const importTable: Record<string, Rule> = {
  "shared/index.ts": { parts: ["shared/core"], packages: [] },
  "shared/core": { parts: [], packages: ["node:crypto"], packageTypes: ["@standard-schema/spec"] },
  "shared/ports": { parts: [], types: ["shared/core"], packages: [] },
  "shared/engine": { parts: ["shared/core", "shared/ports"], packages: ["node:zlib"] },
  "shared/adapters/common": { parts: ["shared/core", "shared/ports"], packages: [] },
  "shared/adapters/memory": {
    parts: ["shared/core", "shared/ports", "shared/adapters/common"],
    packages: ["node:crypto"],
  },
  "shared/adapters/simulated": {
    parts: ["shared/core", "shared/ports", "shared/adapters/common", "shared/adapters/memory"],
    packages: [],
  },
  "shared/adapters/local": {
    parts: ["shared/core", "shared/ports", "shared/adapters/common"],
    packages: ["node:*"],
  },
  "shared/adapters/aws": {
    parts: ["shared/core", "shared/ports", "shared/adapters/common", "shared/adapters/local"],
    packages: ["node:*", "@aws-sdk/*"],
  },
  "shared/api": {
    parts: ["shared/core", "shared/ports", "shared/engine"],
    packages: ["zod", "node:zlib"],
    packageTypes: ["aws-lambda"],
  },
  "shared/client": { parts: [], types: ["shared/core"], packages: [] },
  "shared/testing": {
    parts: ["shared/core", "shared/ports", "shared/engine", "shared/adapters/memory"],
    packages: ["node:timers/promises"],
  },
  functions: { parts: ["shared/*"], packages: ["*"] },
  cdk: { parts: ["shared/*", "functions"], packages: ["*"] },
  cli: { parts: ["shared/*", "functions", "cdk"], packages: ["*"] },
  /** Examples are written as their readers would write them: with the package's own entries alone. */
  examples: { parts: [], packages: ["*"] },
};

/** Each import of a file that the table does not allow, as a sentence. */
export function importViolations(file: SourceFile): string[] {
  const part = partOf(file.path);
  const rule = importTable[part];
  if (rule === undefined) return [`${file.path} is in no part of the import table`];
  return importsOf(file).flatMap(({ target, isRelative, typeOnly }) => {
    const { allowed, allowedTypes } = isRelative
      ? { allowed: [part, ...rule.parts], allowedTypes: rule.types ?? [] }
      : { allowed: rule.packages, allowedTypes: rule.packageTypes ?? [] };
    const name = isRelative ? partOf(target) : target;
    if (holds(allowed, name) || (typeOnly && holds(allowedTypes, name))) return [];
    return [`${file.path} imports ${target}${holds(allowedTypes, name) ? " for more than its types" : ""}`];
  });
}

/** The longest entry of the table under which a path lies, or the path's directory. */
function partOf(path: string): string {
  const parts = Object.keys(importTable).filter((part) => path === part || path.startsWith(`${part}/`));
  return parts.sort((left, right) => right.length - left.length)[0] ?? path;
}

const holds = (patterns: readonly string[], name: string): boolean =>
  patterns.some((pattern) =>
    pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
