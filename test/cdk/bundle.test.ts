/** What goes into a function's code: one self-contained module, the user's workflows only where they are needed. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bundle, type FunctionName, resolveEntry } from "../../cdk/bundle.ts";
import { entry } from "./fixtures/synth.ts";

const names: FunctionName[] = ["api", "advance", "signals", "sweep", "triggers"];
const directory = mkdtempSync(join(tmpdir(), "stepfold-bundle-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const built = Object.fromEntries(
  names.map((name) => {
    const output = join(directory, name);
    const inputs = bundle(name, { workflows: resolveEntry(entry), groups: {} }, output);
    return [name, { inputs, output, code: readFileSync(join(output, "index.mjs"), "utf8") }];
  }),
) as Record<FunctionName, { inputs: string[]; output: string; code: string }>;

test.each(names)("%s is one module with its source map, and needs nothing but Node", (name) => {
  const { output, code } = built[name];
  expect(readdirSync(output).sort()).toEqual(["index.mjs", "index.mjs.map"]);
  expect(code).toMatch(/export\s*\{\s*[\w$]+ as handler\s*\}/);
  const imported = [...code.matchAll(/(?:^|;)import[^;"]*?from\s*"([^"]+)"/gm)].map(([, module]) => module!);
  expect(
    imported.map((module) => module.replace(/^node:/, "")).filter((name) => !builtinModules.includes(name)),
  ).toEqual([]);
});

test("the user's workflows are in what runs, starts or describes them, and nowhere else", () => {
  const having = names.filter((name) =>
    built[name].inputs.some((input) => input.endsWith("fixtures/workflows.ts")),
  );
  expect(having).toEqual(["api", "advance", "triggers"]);
});

test("every group's workflows are in the same functions, and each is told which are its own", () => {
  const group = resolveEntry("test/cdk/fixtures/payments.ts");
  const having = names.filter((name) => {
    const output = join(directory, `${name}-grouped`);
    const inputs = bundle(name, { workflows: resolveEntry(entry), groups: { payments: group } }, output);
    return inputs.some((input) => input.endsWith("fixtures/payments.ts"));
  });
  expect(having).toEqual(["api", "advance", "triggers"]);
  const code = readFileSync(join(directory, "advance-grouped/index.mjs"), "utf8");
  expect(code).toMatch(/\{payments:\w+\}/);
});

test("the user's `stepfold` and the handlers' are the same files", () => {
  const { inputs } = built.advance;
  expect(inputs.filter((input) => input.endsWith("shared/index.ts"))).toHaveLength(1);
  expect(inputs.filter((input) => input.startsWith("dist/"))).toEqual([]);
});

test("the same input gives the same bytes", () => {
  const again = join(directory, "again");
  bundle("advance", { workflows: resolveEntry(entry), groups: {} }, again);
  expect(readFileSync(join(again, "index.mjs"), "utf8")).toBe(built.advance.code);
});
