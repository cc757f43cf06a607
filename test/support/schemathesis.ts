/**
 * Schemathesis, which makes requests from the OpenAPI document that a host serves, valid and invalid, single and in
 * chains, and holds every answer against the document. From PyPI, pinned, in a virtual environment under `.venv/`.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const VERSION = "4.32.5";
const repository = join(dirname(fileURLToPath(import.meta.url)), "../..");
const venv = join(repository, ".venv", `schemathesis-${VERSION}`);

export interface SchemathesisOptions {
  /** Of each operation, in each phase. */
  examples: number;
  seed?: number;
}

export interface Verdict {
  code: number | null;
  /** Requests that were made and held against the document. */
  cases: number;
  report: string;
}

/** Runs all checks in all phases against the API at `url`. */
export async function schemathesis(
  url: string,
  { examples, seed = 1 }: SchemathesisOptions,
): Promise<Verdict> {
  install();
  const args = [
    ...["--config-file", join(import.meta.dirname, "schemathesis.toml")],
    ...["run", `${url}/openapi.json`, "--url", url],
    ...["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"],
    ...["--max-examples", String(examples), "--seed", String(seed), "--continue-on-failure", "--no-color"],
    ...["--suppress-health-check", "all"],
  ];
  // By its own interpreter: the script names the one of where the environment was made, which may have moved.
  const child = spawn(join(venv, "bin/python"), [join(venv, "bin/schemathesis"), ...args], { cwd: venv });
  let report = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (report += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once("close", resolve).once("error", reject),
  );
  return { code, cases: Number(/(\d+) generated/.exec(report)?.[1] ?? 0), report };
}

function install(): void {
  const installed = join(venv, "installed");
  if (existsSync(installed)) return;
  rmSync(venv, { recursive: true, force: true });
  execFileSync("python3", ["-m", "venv", venv]);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  execFileSync(join(venv, "bin/python"), [...pip, `schemathesis==${VERSION}`]);
  writeFileSync(installed, "");
}
