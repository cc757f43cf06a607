/** The client where there is no Node: bundled for a browser, and run with nothing but what a browser has. */
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { expect, test } from "vitest";

test("the client needs nothing of Node, neither to be bundled nor to run", async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: 'export { createClient, StepfoldClientError } from "./shared/client/index.ts";',
      resolveDir: process.cwd(),
    },
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    globalName: "stepfold",
  });
  const asked: { url: string; headers: Record<string, string> }[] = [];
  const problem = {
    type: "t",
    title: "Held",
    status: 409,
    detail: "Held.",
    code: "LeaseHeld",
    until: "soon",
  };
  const page = createContext({
    fetch: async (url: string, { headers }: { headers: Record<string, string> }) => {
      asked.push({ url, headers });
      return new Response(JSON.stringify(problem), { status: 409 });
    },
  });
  runInContext(outputFiles[0]!.text, page);
  const failure = await runInContext(
    `const client = stepfold.createClient({ url: "http://flows.test/", auth: "Bearer t" });
     client.takeLease("r/1", "worker", "30s").catch((error) => ({
       isOwn: error instanceof stepfold.StepfoldClientError,
       code: error.code, status: error.status, data: { ...error.data },
     }));`,
    page,
  );
  expect({ ...failure, data: { ...failure.data } }).toEqual({
    isOwn: true,
    code: "LeaseHeld",
    status: 409,
    data: { until: "soon" },
  });
  expect(asked.map(({ url }) => url)).toEqual(["http://flows.test/runs/r%2F1/lease"]);
  expect(asked[0]!.headers.authorization).toBe("Bearer t");
});
