/**
 * The package as a stranger gets it: packed, installed into an empty project, and used by each of its entries. The
 * files of that project are in `pack-project/`.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "stepfold-pack-"));
const project = join(directory, "project");
const installed = join(project, "node_modules/stepfold");

interface Manifest {
  exports: Record<string, string | { types: string; default: string }>;
  bin: Record<string, string>;
}
const lockedVersion = (name: string): string =>
  (
    JSON.parse(readFileSync(join(repository, "node_modules", name, "package.json"), "utf8")) as {
      version: string;
    }
  ).version;

/** A shell of the user's own: this Node, and nothing of the checkout's settings. */
const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_/i.test(name) || /^npm_config_(cache|registry|userconfig|globalconfig)$/i.test(name),
    ),
  ),
  PATH: `${dirname(realpathSync(process.execPath))}:/usr/local/bin:/usr/bin:/bin`,
  NODE_OPTIONS: "",
};

async function shell(command: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, { cwd: project, env, maxBuffer: 64e6 });
    return stdout;
  } catch (cause) {
    const { stdout, stderr } = cause as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(" ").slice(0, 200)} failed:\n${stdout}${stderr}`, { cause });
  }
}

const install = (...packages: string[]): Promise<string> =>
  shell("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error", ...packages);

let manifest: Manifest;

beforeAll(async () => {
  cpSync(join(repository, "test/e2e/pack-project"), project, { recursive: true });
  const pack = ["pack", "--json", "--loglevel=error", "--pack-destination", directory];
  await promisify(execFile)("npm", pack, { cwd: repository, env, maxBuffer: 64e6 });
  const [tarball] = globSync("stepfold-*.tgz", { cwd: directory });
  await shell("npm", "init", "--yes");
  await shell("npm", "pkg", "set", "type=module");
  await install(join(directory, tarball!));
  manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Manifest;
}, 300_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("the package holds what it names, and neither sources nor tests", () => {
  const targets = Object.values(manifest.exports)
    .flatMap((entry) => (typeof entry === "string" ? [entry] : [entry.types, entry.default]))
    .concat(Object.values(manifest.bin), "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE");
  expect(targets.filter((path) => !existsSync(join(installed, path)))).toEqual([]);
  expect(globSync("**/*.ts", { cwd: installed }).filter((path) => !path.endsWith(".d.ts"))).toEqual([]);
  expect(globSync("{test,examples,bench,.ci}", { cwd: installed })).toEqual([]);
});

test("the command is a program", () => {
  const program = join(installed, manifest.bin.stepfold!);
  expect(readFileSync(program, "utf8").split("\n")[0]).toBe("#!/usr/bin/env node");
  expect(statSync(program).mode & 0o111).not.toBe(0);
});

test("without the CDK everything loads but `stepfold/cdk`: the dependencies are complete", async () => {
  expect(existsSync(join(project, "node_modules/aws-cdk-lib"))).toBe(false);
  const modules = globSync("dist/{shared,functions,cli}/**/*.js", { cwd: installed })
    .filter((path) => path !== "dist/cli/main.js")
    .map((path) => pathToFileURL(join(installed, path)).href);
  expect(modules.length).toBeGreaterThan(80);
  const load = `for (const url of ${JSON.stringify(modules)}) await import(url); console.log("loaded");`;
  expect(await shell("node", "--input-type=module", "--eval", load)).toBe("loaded\n");
});

test("the entries are what they say, and nothing else can be imported", async () => {
  const names = (entry: string): Promise<string> =>
    shell(
      "node",
      "--input-type=module",
      "--eval",
      `console.log(...Object.keys(await import(${JSON.stringify(entry)})))`,
    );
  expect(await names("stepfold")).toContain("workflow");
  expect(await names("stepfold/client")).toContain("createClient");
  expect(await names("stepfold/testing")).toContain("testHost");
  await expect(names("stepfold/shared/core/fold.js")).rejects.toThrow("ERR_PACKAGE_PATH_NOT_EXPORTED");
});

test("a workflow runs on virtual time", async () => {
  expect(await shell("node", "virtual-time.ts")).toBe("hello Bob\n");
});

test("`npx stepfold dev` serves the user's workflows, and the client starts one", async () => {
  const host = spawn("npx", ["stepfold", "dev", "workflows.ts", "--port", "0"], {
    cwd: project,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    expect(await shell("node", "start.ts", await addressOf(host))).toBe("hello Ada\n");
  } finally {
    process.kill(-host.pid!, "SIGTERM");
  }
  expect(existsSync(join(project, ".stepfold/stepfold.db"))).toBe(true);
});

describe("with TypeScript and the CDK", () => {
  beforeAll(async () => {
    const packages = ["typescript", "@types/node", "aws-cdk-lib", "constructs"];
    await install("--save-dev", ...packages.map((name) => `${name}@${lockedVersion(name)}`));
  }, 300_000);

  test("the user's project holds its types, and ours", async () => {
    expect(await shell("npx", "tsc")).toBe("");
  });

  test("the CDK app is synthesized, and its functions load", async () => {
    env.CDK_OUTDIR = join(project, "cdk.out");
    await shell("node", "app.ts");
    const template = readFileSync(join(project, "cdk.out/Mine.template.json"), "utf8");
    expect(template).toContain("AWS::DynamoDB::Table");
    const bundles = globSync("cdk.out/asset.*/index.mjs", { cwd: project });
    expect(bundles).toHaveLength(5);
    expect(
      bundles.filter((path) => readFileSync(join(project, path), "utf8").includes("hello ")),
    ).toHaveLength(3);
    for (const path of bundles)
      await expect(shell("node", join(project, path)), path).rejects.toThrow("STEPFOLD_TABLE");
  });
});

function addressOf(host: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    host.stdout!.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const address = /listening on (http:\S+)\n/.exec(output)?.[1];
      if (address !== undefined) resolve(address);
    });
    host.once("exit", (code) => reject(new Error(`The host ended with ${code}:\n${output}`)));
  });
}
