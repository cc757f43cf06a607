/** The rules of style hold everywhere, and each rule sees what it is for. */
import { describe, expect, test } from "vitest";
import { type SourceFile, sourceFiles } from "./source.ts";
import {
  ambientExceptions,
  ambientViolations,
  headerViolations,
  lengthExceptions,
  lengthViolations,
  SOURCE_LINES_MAX,
  TEST_LINES_MAX,
  unfinishedViolations,
} from "./tidy.ts";

const sources = sourceFiles("shared", "functions", "cdk", "cli");
const all = [...sources, ...sourceFiles("examples", "bench", "test")];
const isTest = ({ path }: SourceFile): boolean => path.endsWith(".test.ts");

test("time, chance and the environment are arguments, but in adapters and entry points", () => {
  expect(sources.flatMap(ambientViolations)).toEqual([]);
});

test("every file under shared, functions, cdk and cli begins by saying what it is for", () => {
  expect(sources.filter((file) => !isTest(file)).flatMap(headerViolations)).toEqual([]);
});

test("no file outgrows its limit without a reason", () => {
  expect(all.flatMap(lengthViolations)).toEqual([]);
});

test("nothing is marked as unfinished", () => {
  expect(all.flatMap(unfinishedViolations)).toEqual([]);
});

test("every exception is still needed", () => {
  const find = (path: string) => all.find((file) => file.path === path);
  const tooLong = Object.keys(lengthExceptions).filter(
    (path) => (find(path)?.text.trimEnd().split("\n").length ?? 0) > SOURCE_LINES_MAX,
  );
  expect(tooLong).toEqual(Object.keys(lengthExceptions));
  for (const [path, { uses }] of Object.entries(ambientExceptions)) {
    const renamed = { path: "shared/core/renamed.ts", text: find(path)?.text ?? "" };
    expect(ambientViolations(renamed)).toEqual(uses.map((used) => `shared/core/renamed.ts uses ${used}`));
  }
});

describe("a planted violation is seen", () => {
  test.each([
    "const now = Date.now();",
    "export const clock = { now: Date.now };",
    "setTimeout(() => {}, 1);",
    "globalThis.setInterval(() => {}, 1);",
    'import { setTimeout as sleep } from "node:timers/promises";',
    "const chance = Math.random();",
    "const { HOME } = process.env;",
    "const at = new Date();",
    "const id = crypto.randomUUID();",
    "const started = performance.now();",
  ])("%s", (text) => {
    expect(ambientViolations({ path: "shared/engine/leg.ts", text })).toHaveLength(1);
    expect(ambientViolations({ path: "shared/adapters/local/clock.ts", text })).toEqual([]);
  });

  test("but not in comments, texts, and dates that are given", () => {
    const text = '/** Date.now() */ const text = "Math.random()"; const at = new Date(0); run.random();';
    expect(ambientViolations({ path: "shared/engine/leg.ts", text })).toEqual([]);
  });

  test.each(["", "import x from 'x';\n/** Late. */", "/** */", "// A line."])("a header %j", (text) => {
    expect(headerViolations({ path: "shared/x.ts", text })).toHaveLength(1);
  });

  test("a header after a shebang is one", () => {
    expect(
      headerViolations({ path: "cli/main.ts", text: "#!/usr/bin/env node\n/** The command. */" }),
    ).toEqual([]);
  });

  test("a file one line too long", () => {
    const lines = (count: number): string => "x\n".repeat(count);
    expect(lengthViolations({ path: "shared/x.ts", text: lines(SOURCE_LINES_MAX) })).toEqual([]);
    expect(lengthViolations({ path: "shared/x.ts", text: lines(SOURCE_LINES_MAX + 1) })).toHaveLength(1);
    expect(lengthViolations({ path: "test/x.test.ts", text: lines(TEST_LINES_MAX) })).toEqual([]);
    expect(lengthViolations({ path: "test/x.test.ts", text: lines(TEST_LINES_MAX + 1) })).toHaveLength(1);
  });

  test.each([
    ["TO", "DO"],
    ["FIX", "ME"],
    ["XX", "X"],
  ])("a mark of %s%s", (...mark) => {
    const text = `// ${mark.join("")}: later`;
    expect(unfinishedViolations({ path: "shared/x.ts", text })).toEqual([
      "shared/x.ts:1 is marked as unfinished",
    ]);
  });
});
