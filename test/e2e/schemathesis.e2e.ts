/** The local host answers as its own document says, whatever is sent. */
import { expect, test } from "vitest";
import { aDirectory, serve } from "../host/command.ts";
import { schemathesis } from "../support/schemathesis.ts";

const EXAMPLES = Number(process.env.SCHEMATHESIS_EXAMPLES ?? 80);

test("schemathesis finds no answer of the local host that its document does not have", async () => {
  const { url, stderr } = await serve(["test/api/workflows.ts", "--port", "0", "--data", aDirectory()]);
  const { code, cases, report } = await schemathesis(url, { examples: EXAMPLES });
  console.log(report.slice(report.indexOf("= SUMMARY =")));
  expect(code, report.slice(0, 20_000)).toBe(0);
  expect(cases).toBeGreaterThan(2_000);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect(stderr()).not.toMatch(/A request failed/);
}, 380_000);
