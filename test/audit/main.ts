/**
 * The dependency audit of CI. It asks the registry for known advisories of what is deployed (`npm audit`), and fails on
 * a high or critical one. A registry that has no advisories to give is said so, and then only the lockfile is audited
 * (`lockfile.ts`), which always is. `--strict` also fails where the registry could not be asked.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Lockfile, problemsOf } from "./lockfile.ts";

const repository = join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(join(repository, file), "utf8");
const { allowScripts } = JSON.parse(read("package.json")) as { allowScripts: Record<string, boolean> };
const reviewed = read("test/audit/reviewed.txt").split("\n").filter(Boolean);
const problems = problemsOf(JSON.parse(read("package-lock.json")) as Lockfile, reviewed, allowScripts);

const args = ["audit", "--omit=dev", "--audit-level=high", "--json"];
const { stdout, status } = spawnSync("npm", args, { cwd: repository, encoding: "utf8" });
const answer = parsed(stdout);
const wasAsked = answer !== undefined && "vulnerabilities" in answer;
if (wasAsked && status !== 0)
  for (const [name, { severity }] of Object.entries(answer.vulnerabilities ?? {}))
    if (severity === "high" || severity === "critical") problems.push(`${name} has a ${severity} advisory`);
if (!wasAsked && process.argv.includes("--strict")) problems.push("the registry could not be asked");

console.log(
  wasAsked
    ? "Advisories: asked."
    : "Advisories: the registry gives none here. Run `npm audit --omit=dev` where it does. Lockfile only:",
);
console.log(`${reviewed.length} packages are reviewed.`);
for (const problem of problems) console.log(`- ${problem}`);
console.log(problems.length === 0 ? "Nothing found." : `${problems.length} found.`);
process.exit(problems.length === 0 ? 0 : 1);

function parsed(text: string): { vulnerabilities?: Record<string, { severity: string }> } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
