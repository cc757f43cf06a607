/** The authoring surface's types: what a workflow is given and gives. Checked by `npm run types`. */
import { type Workflow, workflow } from "stepfold";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";

describe("a workflow's input", () => {
  test("is what its function's parameter says, also beside options without a schema", () => {
    const counted = workflow("counted", { version: 2, maxRetries: 1 }, async (_run, count: number) => count);
    expectTypeOf(counted).toEqualTypeOf<Workflow<number, number>>();
    const limited = workflow("limited", { output: z.object({ n: z.number() }) }, (_run, n: number) => ({
      n,
    }));
    expectTypeOf(limited).toEqualTypeOf<Workflow<number, { n: number }>>();
    expect(limited.version).toBe(1);
  });

  test("is what its schema makes of it, where it has one", () => {
    const input = z.object({ at: z.coerce.date(), unit: z.string().default("m") });
    workflow("checked", { input }, (_run, given) => {
      expectTypeOf(given).toEqualTypeOf<{ at: Date; unit: string }>();
    });
    // @ts-expect-error the schema makes an object
    workflow("wrong", { input }, (_run, given: number) => given);
    expect(input).toBeDefined();
  });
});

test("a child answers its output, its run id where it is detached, and either where that is open", () => {
  const size = workflow("size", (_run, text: string) => text.length);
  const ping = workflow("ping", () => "pong" as const);
  workflow("parent", async (run, detached: boolean) => {
    expectTypeOf(await run.child("a", size, "abc")).toEqualTypeOf<number>();
    expectTypeOf(await run.child("b", size, "abc", { detached: true })).toEqualTypeOf<string>();
    expectTypeOf(await run.child("c", size, "abc", { detached: false })).toEqualTypeOf<number>();
    expectTypeOf(await run.child("d", size, "abc", { detached })).toEqualTypeOf<number | string>();
    expectTypeOf(await run.child("e", ping)).toEqualTypeOf<"pong">();
    // @ts-expect-error it needs an input
    await run.child("f", size);
    // @ts-expect-error a number is no text
    await run.child("g", size, 1);
  });
  expect(size.name).toBe("size");
});
