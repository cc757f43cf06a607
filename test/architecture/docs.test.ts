/** The documents say what is: their TypeScript holds its types, their links lead somewhere, and nothing is left out. */
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { routes } from "../../shared/api/routes/index.ts";
import { repository } from "./source.ts";

const documents = [
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  ...globSync("docs/*.md", { cwd: repository }),
];
const textOf = (document: string): string => readFileSync(join(repository, document), "utf8");

/** The TypeScript of a document, as files that lie nowhere but in memory: a first line `// name.ts` names one. */
function snippetsOf(document: string): Map<string, string> {
  const directory = join(repository, "docs-snippets", document);
  const blocks = [...textOf(document).matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);
  return new Map(
    blocks.map((code, index) => {
      const name = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1] ?? `${index}.ts`;
      return [join(directory, name), code];
    }),
  );
}

function complaints(snippets: Map<string, string>): string[] {
  const { config } = ts.readConfigFile(join(repository, "tsconfig.json"), ts.sys.readFile) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, repository);
  options.noUnusedLocals = false;
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, directoryExists } = host;
  const directories = new Set([...snippets.keys()].map((path) => dirname(path)));
  host.directoryExists = (path) => directories.has(path) || directoryExists!(path);
  host.fileExists = (path) => snippets.has(path) || fileExists(path);
  host.readFile = (path) => snippets.get(path) ?? readFile(path);
  const program = ts.createProgram([...snippets.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const where = file?.fileName.split("docs-snippets/")[1] ?? "";
    return `${where}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
}

test("the TypeScript in the documents holds its types", () => {
  const all = new Map(documents.flatMap((document) => [...snippetsOf(document)]));
  expect(all.size).toBeGreaterThan(10);
  expect(complaints(all)).toEqual([]);
});

test("the example of a test passes", () => {
  const [example] = snippetsOf("docs/testing.md").values();
  const node = ["--conditions=stepfold-source", "--input-type=module-typescript", "--eval", example!];
  execFileSync(process.execPath, node, { cwd: repository, stdio: "pipe" });
});

test("a snippet that is wrong is seen", () => {
  const path = join(repository, "docs-snippets/planted/0.ts");
  const wrong =
    'import { workflow } from "stepfold";\nexport const x = workflow("x", (run) => run.nap("x", 1));\n';
  expect(complaints(new Map([[path, wrong]]))).toEqual([
    expect.stringMatching(/^planted.*'nap' does not exist/),
  ]);
});

describe.each(documents)("%s", (document) => {
  test("has links that lead somewhere", () => {
    const links = [...textOf(document).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map(
      ([, target]) => target!,
    );
    const broken = links.filter((target) => !existsSync(join(repository, dirname(document), target)));
    expect(broken).toEqual([]);
  });

  test("names commands that exist", () => {
    const { scripts } = JSON.parse(textOf("package.json")) as { scripts: Record<string, string> };
    const named = [...textOf(document).matchAll(/npm run ([\w:]+)/g)].map(([, script]) => script!);
    expect(named.filter((script) => scripts[script] === undefined)).toEqual([]);
  });
});

test("every route is in the API's document, and no other", () => {
  const told = [...textOf("docs/api.md").matchAll(/^\| `(\w+) (\/\S*)` \|/gm)].map(([, ...route]) =>
    route.join(" "),
  );
  expect(told.sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
});

test("every member of `run` is in the document on authoring", () => {
  const context = readFileSync(join(repository, "shared/core/context.ts"), "utf8");
  const [, body] = /export interface RunContext \{([\s\S]*?)^\}/m.exec(context)!;
  const members = [...body!.matchAll(/^ {2}(?:readonly )?(\w+)[(<:]/gm)].map(([, member]) => member!);
  expect(members.length).toBeGreaterThan(12);
  const text = textOf("docs/authoring.md");
  expect([...new Set(members)].filter((member) => !text.includes(`run.${member}`))).toEqual([]);
});
