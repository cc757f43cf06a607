/** Nothing imports what the table does not allow, and the checker sees it when something does. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { importTable, importViolations } from "./imports.ts";
import { repository, type SourceFile, sourceFiles } from "./source.ts";

const house = sourceFiles("shared", "functions", "cdk", "cli", "examples");

test("no file imports what the import table does not allow", () => {
  expect(house.length).toBeGreaterThan(100);
  const isTest = ({ path }: SourceFile): boolean => path.endsWith(".test.ts");
  expect(house.filter((file) => !isTest(file)).flatMap(importViolations)).toEqual([]);
});

test("every part of the table exists", () => {
  expect(Object.keys(importTable).filter((part) => !existsSync(join(repository, part)))).toEqual([]);
});

test("core, ports and engine know neither AWS nor Node, but for hashing and packing", () => {
  const inner = ["shared/core", "shared/ports", "shared/engine"].map((part) => importTable[part]!.packages);
  expect(inner).toEqual([["node:crypto"], [], ["node:zlib"]]);
});

describe("a planted violation is seen", () => {
  test.each([
    ["shared/core/fold.ts", 'import { x } from "../ports/clock.ts";'],
    ["shared/core/fold.ts", 'import type { X } from "../engine/leg.ts";'],
    ["shared/core/fold.ts", 'import { readFileSync } from "node:fs";'],
    ["shared/core/fold.ts", 'import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";'],
    ["shared/core/schema.ts", 'import { StandardSchemaV1 } from "@standard-schema/spec";'],
    ["shared/ports/clock.ts", 'import { fold } from "../core/fold.ts";'],
    ["shared/ports/clock.ts", 'import { type Entry, fold } from "../core/fold.ts";'],
    ["shared/ports/clock.ts", 'import "../core/fold.ts";'],
    ["shared/engine/leg.ts", 'import { memoryPorts } from "../adapters/memory/index.ts";'],
    ["shared/engine/leg.ts", 'export * from "../api/route.ts";'],
    ["shared/engine/leg.ts", 'const adapter = await import("../adapters/aws/index.ts");'],
    ["shared/engine/leg.ts", 'type Ports = import("../adapters/aws/index.ts").AwsPorts;'],
    ["shared/engine/leg.ts", 'const fs = require("node:fs");'],
    ["shared/adapters/aws/journal.ts", 'import { loadRun } from "../../engine/load.ts";'],
    ["shared/adapters/memory/journal.ts", 'import { SqsQueue } from "../aws/queue.ts";'],
    ["shared/api/router.ts", 'import { awsPorts } from "../adapters/aws/index.ts";'],
    ["shared/client/index.ts", 'import { start } from "../engine/start.ts";'],
    ["shared/client/index.ts", 'import { request } from "node:http";'],
    ["shared/testing/host.ts", 'import { main } from "../../cli/main.ts";'],
    ["shared/engine/leg.ts", 'import { advanceFunction } from "../../functions/advance.ts";'],
    ["functions/api.ts", 'import { Stepfold } from "../cdk/index.ts";'],
    ["examples/order/workflow.ts", 'import { fold } from "../../shared/core/fold.ts";'],
    ["shared/unheard/of.ts", ""],
  ])("%s: %s", (path, text) => {
    expect(importViolations({ path, text })).toHaveLength(1);
  });
});

describe("what the table allows passes", () => {
  test.each([
    ["shared/core/fold.ts", 'import { createHash } from "node:crypto";\nimport { x } from "./json.ts";'],
    ["shared/core/schema.ts", 'import type { StandardSchemaV1 } from "@standard-schema/spec";'],
    ["shared/ports/clock.ts", 'import type { Entry } from "../core/events.ts";'],
    ["shared/ports/clock.ts", 'import { type Entry, type Usage } from "../core/events.ts";'],
    [
      "shared/engine/leg.ts",
      '// import { x } from "../adapters/x.ts";\nconst text = "from \\"../api/x.ts\\"";',
    ],
    ["shared/adapters/aws/journal.ts", 'import { DynamoDBClient } from "@aws-sdk/client-dynamodb";'],
    ["functions/api.ts", 'import { createApi } from "../shared/api/handler.ts";'],
    ["cli/main.ts", 'import { apiFunction } from "../functions/api.ts";'],
  ])("%s: %s", (path, text) => {
    expect(importViolations({ path, text })).toEqual([]);
  });
});
