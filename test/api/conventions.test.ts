/** What holds for every path: the errors of the conventions, each provoked. */
import { describe, expect, test } from "vitest";
import { routes } from "../../shared/api/routes/index.ts";
import { PortError } from "../../shared/core/errors.ts";
import { REQUEST_BYTES_MAX } from "../../shared/core/limits.ts";
import * as workflows from "./workflows.ts";
import { aWorld, problem } from "./world.ts";

const world = () => aWorld(workflows.all);
const json = { "content-type": "application/json" };

describe("the body", () => {
  test.each([
    ["no JSON", "{"],
    ["nothing", ""],
    ["two values", "{} {}"],
    ["bytes that are no UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
  ])("%s is MalformedRequest", async (_what, raw) => {
    expect(await world().ask("POST", "/runs", { raw, headers: json })).toMatchObject(
      problem(400, "MalformedRequest"),
    );
  });

  test("JSON in base64 is read", async () => {
    const raw = new TextEncoder().encode('{"workflow":"echo","input":"ü"}');
    expect(await world().ask("POST", "/runs", { raw, headers: json })).toMatchObject({
      status: 201,
      body: { input: "ü" },
    });
  });

  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
    "application/jsonp",
    "json",
  ])("%s is 415", async (type) => {
    const answer = await world().ask("POST", "/runs", {
      raw: '{"workflow":"echo"}',
      headers: { "content-type": type },
    });
    expect(answer).toMatchObject(problem(415, "UnsupportedMediaType"));
  });

  test("that is packed is 415, also where it is not what it says", async () => {
    const asked = { raw: '{"workflow":"echo"}', headers: { ...json, "content-encoding": "gzip" } };
    expect(await world().ask("POST", "/runs", asked)).toMatchObject(problem(415, "UnsupportedMediaType"));
    const plain = { ...asked, headers: { ...json, "content-encoding": "identity" } };
    expect((await world().ask("POST", "/runs", plain)).status).toBe(201);
  });

  test.each(["application/json; charset=UTF-8", "application/vnd.api+json", "APPLICATION/JSON"])(
    "%s is JSON",
    async (type) => {
      const answer = await world().ask("POST", "/runs", {
        raw: '{"workflow":"echo"}',
        headers: { "content-type": type },
      });
      expect(answer.status).toBe(201);
    },
  );

  test("one byte over the limit is 413, the limit itself is not", async () => {
    const { ask } = world();
    const frame = '{"workflow":"echo","input":""}';
    const fits = frame.replace('""', `"${"x".repeat(REQUEST_BYTES_MAX - frame.length)}"`);
    expect((await ask("POST", "/runs", { raw: fits, headers: json })).status).toBe(201);
    expect(await ask("POST", "/runs", { raw: `${fits} `, headers: json })).toMatchObject(
      problem(413, "PayloadTooLarge"),
    );
    const wide = frame.replace('""', `"${"ü".repeat(REQUEST_BYTES_MAX / 2)}"`);
    expect((await ask("POST", "/runs", { raw: wide, headers: json })).status).toBe(413);
    expect((await ask("POST", "/runs", { raw: Buffer.from(wide), headers: json })).status).toBe(413);
  });

  test("nesting without end is refused, also where the text only looks like it", async () => {
    const { ask } = world();
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    expect(
      await ask("POST", "/runs", { raw: `{"workflow":"echo","input":${deep}}`, headers: json }),
    ).toMatchObject(problem(422, "InvalidInput"));
    expect((await ask("POST", "/runs", { body: { workflow: "echo", input: `\\"${deep}` } })).status).toBe(
      201,
    );
    const fits = `${"[".repeat(150)}${"]".repeat(150)}`;
    expect(
      (await ask("POST", "/runs", { raw: `{"workflow":"echo","input":${fits}}`, headers: json })).status,
    ).toBe(201);
  });
});

describe("the path", () => {
  test.each(["/", "/nothing", "/runs/", "/runs//journal", "/runs/a/b/c", "/workflows/a/b", "//runs"])(
    "%s is NotFound",
    async (path) => {
      expect(await world().ask("GET", path)).toMatchObject(problem(404, "NotFound"));
    },
  );

  test.each(["/runs/%", "/runs/%zz", "/runs/%ff", "/workflows/%c3"])(
    "%s is MalformedRequest",
    async (path) => {
      expect(await world().ask("GET", path)).toMatchObject(problem(400, "MalformedRequest"));
    },
  );

  test("another method is 405, with those that are allowed", async () => {
    const { ask } = world();
    const answer = await ask("PUT", "/runs");
    expect(answer).toMatchObject(problem(405, "MethodNotAllowed"));
    expect(answer.headers.allow).toBe("POST, GET");
    for (const { path } of routes) {
      const { status, headers } = await ask("TRACE", path.replace("{runId}", "r").replace("{name}", "n"));
      expect([path, status]).toEqual([path, 405]);
      expect(headers.allow).toMatch(/^[A-Z]+(, [A-Z]+)*$/);
    }
  });

  test("a name may hold a slash, encoded or as API Gateway decodes it", async () => {
    const { ask } = world();
    await ask("POST", "/runs", { body: { workflow: "listen/for go", runId: "l" } });
    for (const [path, isDecoded] of [
      ["/workflows/listen%2Ffor%20go", false],
      ["/workflows/listen/for go", true],
    ] as const) {
      expect(await ask("GET", path, { isDecoded })).toMatchObject({
        status: 200,
        body: { name: "listen/for go" },
      });
    }
    expect((await ask("POST", "/runs/l/signals/go%2Fnow", {})).status).toBe(202);
    expect((await ask("POST", "/runs/l/signals/go/now", { isDecoded: true })).status).toBe(202);
    expect((await ask("POST", "/runs/l/signals/100%", { isDecoded: true })).status).toBe(202);
    expect((await ask("POST", "/runs/l/signals/go/now")).status).toBe(404);
    expect((await ask("GET", "/runs/l/signals", { isDecoded: true })).status).toBe(200);
  });

  test.each(["%00", "a%0ab", "x".repeat(129)])("a signal named %s is 422", async (name) => {
    const { ask } = world();
    await ask("POST", "/runs", { body: { workflow: "nap", runId: "n" } });
    expect(await ask("POST", `/runs/n/signals/${name}`)).toMatchObject(problem(422, "InvalidName"));
  });
});

describe("the query", () => {
  test.each([
    "/health?x=1",
    "/runs/r?x=1",
    "/runs/r/journal?x=1",
    "/openapi.json?a",
    "/runs/r/operations?after=1",
  ])("%s has an unknown parameter: 422", async (path) => {
    expect(await world().ask("GET", path)).toMatchObject(problem(422, "InvalidInput"));
  });
});

describe("the headers", () => {
  test.each(["-1", "abc", '"abc"', 'W/"1"', '"1", "2"', ""])(
    "If-Match %s is MalformedRequest",
    async (ifMatch) => {
      const { ask } = world();
      await ask("POST", "/runs", { body: { workflow: "nap", runId: "n" } });
      const answer = await ask("POST", "/runs/n/cancel", { headers: { "if-match": ifMatch } });
      expect(answer).toMatchObject(problem(400, "MalformedRequest"));
    },
  );

  test("If-Match takes the ETag, and its number alone", async () => {
    const { ask } = world();
    await ask("POST", "/runs", { body: { workflow: "nap", runId: "n" } });
    for (const [ifMatch, status] of [
      ["7", 412],
      ['"7"', 412],
      ["0", 202],
    ] as const)
      expect(await ask("POST", "/runs/n/cancel", { headers: { "if-match": ifMatch } })).toMatchObject({
        status,
      });
  });

  test.each(["", "k".repeat(256)])(
    "an Idempotency-Key of the wrong length is MalformedRequest",
    async (key) => {
      const answer = await world().ask("POST", "/runs", {
        body: { workflow: "echo" },
        headers: { "idempotency-key": key },
      });
      expect(answer).toMatchObject(problem(400, "MalformedRequest"));
    },
  );
});

describe("what is no caller's fault", () => {
  const failing = (error: Error) =>
    aWorld(workflows.all, ({ journal }) => ({
      journal: Object.assign(Object.create(journal), { list: () => Promise.reject(error) }),
    }));

  test("throttling is 429, and says when to try again", async () => {
    const answer = await failing(new PortError("Throttled", "secret", { retryable: true })).ask(
      "GET",
      "/runs",
    );
    expect(answer).toMatchObject({
      status: 429,
      headers: { "retry-after": "1" },
      body: { code: "TooManyRequests" },
    });
    expect(JSON.stringify(answer.body)).not.toContain("secret");
  });

  test("a store that is out of reach is 503", async () => {
    const answer = await failing(new PortError("Unavailable", "secret", { retryable: true })).ask(
      "GET",
      "/runs",
    );
    expect(answer).toMatchObject({ status: 503, body: { code: "Unavailable" } });
  });

  test("a defect is 500, logged, and keeps its message to itself", async () => {
    const { ask, errors } = failing(new TypeError("secret"));
    const answer = await ask("GET", "/runs");
    expect(answer).toMatchObject({ status: 500, body: { code: "InternalError" } });
    expect(JSON.stringify(answer.body)).not.toContain("secret");
    expect(errors).toMatchObject([{ error: { message: "secret" } }]);
  });
});
