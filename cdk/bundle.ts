/**
 * One function's code as an asset: an entry is generated that joins the user's workflows, Stepfold's handler factory
 * and the engine for Lambda, and esbuild bundles it into one ESM file.
 *
 * 1. Nothing is left external: what was tested is what runs, whatever SDK the Lambda runtime ships.
 * 2. There is one copy of Stepfold in a bundle: the user's `import "stepfold"` and our own handlers resolve to the
 *    same files, those of `dist`, or in this repository the sources (the export condition `stepfold-source`).
 * 3. The same input gives the same bytes, so an unchanged function is not deployed again.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { AssetHashType, DockerImage } from "aws-cdk-lib";
import * as lambda from "aws-cdk-lib/aws-lambda";
import type * as esbuild from "esbuild";
import { StepfoldError } from "../shared/core/errors.ts";

export type FunctionName = "api" | "advance" | "signals" | "sweep" | "triggers";

/** The functions whose code contains the user's workflows. */
const withWorkflows: readonly FunctionName[] = ["api", "advance", "triggers"];

const self = fileURLToPath(import.meta.url);
const extension = extname(self);
const functionsDirectory = join(dirname(self), "../functions");
const fromSource = extension === ".ts";
const requireBanner =
  'import { createRequire as stepfoldRequire } from "node:module"; const require = stepfoldRequire(import.meta.url);';

/** The absolute path of the user's entry module. Throws `EntryNotFound`. */
export function resolveEntry(entry: string): string {
  const path = resolve(entry);
  if (!existsSync(path)) {
    throw new StepfoldError(
      "EntryNotFound",
      `Expected a module that exports workflows at ${entry}, got no file there. The path is relative to the directory from which cdk runs.`,
      { entry },
    );
  }
  return path;
}

/** The user's entry modules: of the default group, and of each other one by its name. */
export interface Entries {
  workflows: string;
  groups: Record<string, string>;
}

export function functionCode(name: FunctionName, entries: Entries): lambda.Code {
  // The command never runs (`local` bundles), but CDK tells assets of one directory apart by it.
  return lambda.Code.fromAsset(dirname(self), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      image: DockerImage.fromRegistry("public.ecr.aws/lambda/nodejs:24"),
      command: ["bundle", name, JSON.stringify(entries)],
      local: {
        tryBundle(outputDirectory) {
          bundle(name, entries, outputDirectory);
          return true;
        },
      },
    },
  });
}

/** Writes `index.mjs` and its source map; answers the files that went in. */
export function bundle(name: FunctionName, entries: Entries, outputDirectory: string): string[] {
  const { buildSync } = createRequire(import.meta.url)("esbuild") as typeof esbuild;
  const { metafile } = buildSync({
    stdin: {
      contents: entrySource(name, entries),
      resolveDir: dirname(entries.workflows),
      sourcefile: `stepfold-${name}.ts`,
      loader: "ts",
    },
    outfile: join(outputDirectory, "index.mjs"),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    conditions: fromSource ? ["stepfold-source"] : [],
    mainFields: ["module", "main"],
    banner: { js: requireBanner },
    minify: true,
    keepNames: true,
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    logLevel: "warning",
  });
  return Object.keys(metafile.inputs);
}

function entrySource(name: FunctionName, { workflows, groups }: Entries): string {
  const from = (file: string) => JSON.stringify(join(functionsDirectory, `${file}${extension}`));
  const imports = [
    `import { ${name}Function } from ${from(name)};`,
    `import { lambdaEngine } from ${from("lambda")};`,
  ];
  if (!withWorkflows.includes(name)) {
    return [...imports, `export const handler = ${name}Function(await lambdaEngine());`].join("\n");
  }
  const members = Object.entries(groups);
  const ofGroups = members.map(([group], index) => `${JSON.stringify(group)}: group${index}`);
  return [
    `import * as workflows from ${JSON.stringify(workflows)};`,
    ...members.map(([, path], index) => `import * as group${index} from ${JSON.stringify(path)};`),
    ...imports,
    `export const handler = ${name}Function(await lambdaEngine(workflows, { ${ofGroups.join(", ")} }));`,
  ].join("\n");
}
