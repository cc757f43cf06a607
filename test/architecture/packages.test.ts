/** What the package needs at run time is what it declares, and each of its entries leads somewhere. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { importsOf, repository, sourceFiles } from "./source.ts";

const declared = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, { optional: boolean }>;
  exports: Record<string, string | { "stepfold-source": string }>;
};

/** Parts of the repository that are not in the package. */
const NOT_SHIPPED = ["cdk/app.ts", "cdk/stack.ts"];

const shipped = sourceFiles("shared", "functions", "cdk", "cli").filter(
  ({ path }) => !NOT_SHIPPED.includes(path),
);

/** Packages that are loaded, or whose types are in the types of what is loaded. */
function packagesOf(kind: "loaded" | "typed"): Set<string> {
  const imports = shipped.flatMap(importsOf).filter(({ isRelative }) => !isRelative);
  const names = imports
    .filter(({ typeOnly }) => typeOnly === (kind === "typed"))
    .map(({ target }) =>
      target
        .split("/")
        .slice(0, target.startsWith("@") ? 2 : 1)
        .join("/"),
    );
  return new Set(names.filter((name) => !name.startsWith("node:")));
}

/** Needed without an import of ours: the bundler is loaded by `require`, from the types it is known by. */
const LOADED_OTHERWISE = ["esbuild"];
/** Types that no entry of the package shows. */
const INNER_TYPES = ["aws-lambda"];

test("what is loaded at run time is a dependency or a peer", () => {
  const available = Object.keys({ ...declared.dependencies, ...declared.peerDependencies });
  expect([...packagesOf("loaded")].filter((name) => !available.includes(name))).toEqual([]);
  const typed = [...packagesOf("typed")].filter((name) => !INNER_TYPES.includes(name));
  expect(typed.filter((name) => !available.includes(name))).toEqual([]);
});

test("every dependency is loaded by something", () => {
  const used = new Set([...packagesOf("loaded"), ...packagesOf("typed"), ...LOADED_OTHERWISE]);
  expect(Object.keys(declared.dependencies).filter((name) => !used.has(name))).toEqual([]);
});

test("the CDK is an optional peer, loaded by `stepfold/cdk` alone", () => {
  const peers = Object.keys(declared.peerDependencies).sort();
  expect(peers).toEqual(["aws-cdk-lib", "constructs"]);
  expect(peers.every((name) => declared.peerDependenciesMeta[name]?.optional)).toBe(true);
  const elsewhere = shipped
    .filter(({ path }) => !path.startsWith("cdk/"))
    .filter((file) => importsOf(file).some(({ target }) => peers.includes(target.split("/")[0]!)));
  expect(elsewhere.map(({ path }) => path)).toEqual([]);
});

test("every entry has its source", () => {
  const sources = Object.values(declared.exports).flatMap((entry) =>
    typeof entry === "string" ? [entry] : [entry["stepfold-source"]],
  );
  expect(sources.filter((path) => !existsSync(join(repository, path)))).toEqual([]);
});
