/** docs/builder.md's example runs as it stands, and prints what the page says. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { repository } from "../architecture/source.ts";

const page = readFileSync(`${repository}/docs/builder.md`, "utf8");
const block = (language: string): string =>
  new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? "";

test("the example prints what the page says", async () => {
  const options = ["--conditions=stepfold-source", "--input-type=module-typescript", "--no-warnings"];
  const { stdout } = await promisify(execFile)(process.execPath, [...options, "-e", block("ts")], {
    cwd: repository,
  });
  expect(block("text")).toContain("sleeping");
  expect(stdout).toBe(block("text"));
});
