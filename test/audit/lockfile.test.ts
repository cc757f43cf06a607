/** The audit fails on what it is there for. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { deployed, type Lockfile, problemsOf } from "./lockfile.ts";

const integrity = "sha512-abc";
const lockfile = (packages: Lockfile["packages"]): Lockfile => ({ packages: { "": {}, ...packages } });
const zod = { "node_modules/zod": { version: "4.0.0", integrity } };

describe("the lockfile is refused", () => {
  test("with a package that nobody has looked at, wherever it lies", () => {
    const nested = { "node_modules/zod/node_modules/@evil/left-pad": { version: "1.0.0", integrity } };
    expect(problemsOf(lockfile({ ...zod, ...nested }), ["zod"], {})).toEqual([
      "@evil/left-pad@1.0.0 is new: look at it, then add it to reviewed.txt",
    ]);
  });

  test("with a package that is not pinned by its contents", () => {
    const packages = { "node_modules/zod": { version: "4.0.0" } };
    expect(problemsOf(lockfile(packages), ["zod"], {})).toEqual(["zod@4.0.0 is not pinned by a SHA-512"]);
    const weak = { "node_modules/zod": { version: "4.0.0", integrity: "sha1-abc" } };
    expect(problemsOf(lockfile(weak), ["zod"], {})).toHaveLength(1);
  });

  test("with a script that runs when it is installed, unless it is allowed", () => {
    const packages = { "node_modules/zod": { version: "4.0.0", integrity, hasInstallScript: true } };
    expect(problemsOf(lockfile(packages), ["zod"], {})).toEqual([
      "zod@4.0.0 runs a script when it is installed",
    ]);
    expect(problemsOf(lockfile(packages), ["zod"], { zod: true })).toEqual([]);
  });

  test("with a reviewed package that is gone", () => {
    expect(problemsOf(lockfile(zod), ["zod", "gone"], {})).toEqual([
      "gone is gone: take it off reviewed.txt",
    ]);
  });
});

test("tools of development and peers are not deployed", () => {
  const packages = {
    ...zod,
    "node_modules/vitest": { version: "5.0.0", integrity, dev: true },
    "node_modules/aws-cdk-lib": { version: "2.0.0", integrity, peer: true },
  };
  expect(deployed(lockfile(packages)).map(([name]) => name)).toEqual(["zod"]);
});

test("this repository's own lockfile holds", () => {
  const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
  const { allowScripts } = JSON.parse(read("package.json"));
  const reviewed = read("test/audit/reviewed.txt").split("\n").filter(Boolean);
  expect(problemsOf(JSON.parse(read("package-lock.json")), reviewed, allowScripts)).toEqual([]);
});
