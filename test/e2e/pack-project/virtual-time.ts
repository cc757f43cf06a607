import assert from "node:assert/strict";
import { testHost } from "stepfold/testing";
import * as workflows from "./workflows.ts";

const host = testHost({ workflows: Object.values(workflows) });
const runId = await host.start(workflows.greet, { name: "Bob" });
await host.skip("1 hour");
const { greeting } = await host.result(runId);
assert.equal(greeting, "hello Bob");
console.log(greeting);
