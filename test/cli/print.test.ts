/** How things are printed: widths, tables, times, timelines, and pictures that are drawn again. */
import { describe, expect, test } from "vitest";
import { LiveView } from "../../cli/print/live.ts";
import { dollars } from "../../cli/print/money.ts";
import { table } from "../../cli/print/table.ts";
import type { Terminal } from "../../cli/print/terminal.ts";
import { cut, jsonText, plain, quoted, widthOf } from "../../cli/print/text.ts";
import { relative, span } from "../../cli/print/time.ts";
import { timeline } from "../../cli/print/timeline.ts";
import type { OperationView, Run } from "../../shared/client/index.ts";

function terminalOf(width: number, height?: number) {
  const written: string[] = [];
  const say = (...lines: string[]) => void written.push(lines.join("\n"));
  const terminal: Terminal = { width, height, paint: (_style, text) => text, say, note: say };
  return { terminal, written };
}

describe("text", () => {
  test.each([
    ["", 0],
    ["run", 3],
    ["ünï", 3],
    ["注文", 4],
    ["e\u0301", 1],
    ["🚚x", 3],
  ])("%j takes %i columns", (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  test("is cut between characters, and says so", () => {
    expect(cut("abcdef", 6)).toBe("abcdef");
    expect(cut("abcdefg", 6)).toBe("abcde…");
    expect(cut("注文注文", 4)).toBe("注…");
    expect(cut("anything", 0)).toBe("");
  });

  test("has no power over a terminal", () => {
    expect(plain("a\nb\u001b[2J\u009b")).toBe("a b\\u001b[2J\\u009b");
    const value = { "\u2028": ["\u009b\u202e"] };
    expect(jsonText(value)).toBe('{"\\u2028":["\\u009b\\u202e"]}');
    expect(JSON.parse(jsonText(value, 2))).toEqual(value);
  });

  test("is quoted for a shell where it must be", () => {
    expect(["o-1", "may go", "it's", ""].map(quoted)).toEqual(["o-1", "'may go'", "'it'\\''s'", "''"]);
  });
});

describe("times", () => {
  test.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [1_000, "1 s"],
    [3_250, "3.2 s"],
    [12_000, "12 s"],
    [252_000, "4 min 12 s"],
    [7_500_000, "2 h 5 min"],
    [90_000_000, "1 d 1 h"],
    [86_400_000 * 400, "400 d"],
  ])("%i ms is %s", (ms, text) => {
    expect(span(ms)).toBe(text);
  });

  test("are told from now", () => {
    const now = Date.parse("2030-01-02T00:00:00Z");
    const at = (ms: number) => relative(new Date(now + ms).toISOString(), now);
    expect([0, -2_000, -180_000, 86_400_000 * 2].map(at)).toEqual(["now", "2 s ago", "3 min ago", "in 2 d"]);
  });

  test.each([
    [0, "$0"],
    [0.0000034, "$0.0000034"],
    [0.05, "$0.050"],
    [12.345, "$12.35"],
  ])("%d dollars are %s", (usd, text) => {
    expect(dollars(usd)).toBe(text);
  });
});

describe("a table", () => {
  const columns = [
    { title: "ID", text: (row: string[]) => row[0]! },
    { title: "NAME", text: (row: string[]) => row[1]!, cutTo: 4, goes: 1 },
    { title: "SIZE", text: (row: string[]) => row[2]!, align: "right", goes: 2 } as const,
  ];
  const rows = [
    ["1", "a long name", "10"],
    ["22", "b", "7"],
  ];

  test("is aligned", () => {
    expect(table(rows, columns, terminalOf(40).terminal)).toEqual([
      "ID  NAME         SIZE",
      "1   a long name    10",
      "22  b               7",
    ]);
  });

  test("is cut first, and then loses what matters least", () => {
    expect(table(rows, columns, terminalOf(16).terminal)).toEqual([
      "ID  NAME    SIZE",
      "1   a lon…    10",
      "22  b          7",
    ]);
    expect(table(rows, columns, terminalOf(9).terminal)).toEqual(["ID  NAME", "1   a l…", "22  b"]);
    expect(table(rows, columns, terminalOf(2).terminal)).toEqual(["ID", "1", "22"]);
  });

  test("has no column in which there is nothing", () => {
    const empty = { title: "NONE", text: () => "" };
    expect(table(rows, [columns[0]!, empty], terminalOf(40).terminal)[0]).toBe("ID");
  });
});

const startedAt = "2030-01-01T00:00:00.000Z";
const now = Date.parse(startedAt) + 60_000;
const operation = (id: string, more: Partial<OperationView> = {}): OperationView => ({
  id,
  name: `step ${id}`,
  kind: "step",
  status: "completed",
  attempts: 1,
  retryCount: 0,
  startedAt,
  finishedAt: startedAt,
  durationMs: 0,
  ...more,
});
const run = { createdAt: startedAt, startedAt } as Run;

describe("a timeline", () => {
  test("shows the open, the failed and the latest of many, with what they stand under", () => {
    const operations = Array.from({ length: 100 }, (_, index) => operation(String(index + 1)));
    operations[3] = operation("4", { kind: "all", status: "running", finishedAt: undefined });
    operations[4] = operation("4/left/1", { parent: "4", status: "failed", name: "low" });
    const lines = timeline(run, operations, { terminal: terminalOf(80).terminal, now, max: 10 });
    expect(lines).toHaveLength(11);
    expect(lines[0]).toBe("  … 90 more: --all shows them");
    expect(lines[1]).toMatch(/^ {2}● step 4 /);
    expect(lines[2]).toMatch(/^ {2}✗ └ left: low /);
    expect(lines.at(-1)).toMatch(/^ {2}✓ step 100 /);
  });

  test("says what an operation waits for, and why it failed", () => {
    const inAMinute = new Date(now + 60_000).toISOString();
    const error = { code: "StepFailed", name: "Error", message: "no\ntruck" };
    const lines = timeline(
      run,
      [
        operation("1", {
          status: "sleeping",
          attempts: 2,
          nextAttemptAt: inAMinute,
          error,
          durationMs: undefined,
        }),
        operation("2", { kind: "timer", status: "sleeping", wakeAt: inAMinute, durationMs: undefined }),
        operation("3", { kind: "gate", decision: { approved: true, by: "Grace", at: startedAt } }),
      ],
      { terminal: terminalOf(89).terminal, now },
    );
    expect(lines.map((line) => line.replace(/ {2,}/g, " "))).toEqual([
      " ◌ step 1 step again in 1 min, 2 attempts, StepFailed: Error: no truck",
      " ◌ step 2 timer ends in 1 min",
      " ✓ step 3 gate 0 ms, approved by Grace",
    ]);
  });

  test("has bars where there is room", () => {
    const half = new Date(Date.parse(startedAt) + 30_000).toISOString();
    const late = operation("1", {
      startedAt: half,
      finishedAt: undefined,
      status: "running",
      durationMs: undefined,
    });
    const [line] = timeline(run, [late], { terminal: terminalOf(100).terminal, now });
    expect(line).toContain(`${" ".repeat(12)}${"━".repeat(12)}`);
    expect(timeline(run, [late], { terminal: terminalOf(80).terminal, now })[0]).not.toContain("━");
  });
});

describe("a live picture", () => {
  test("is drawn again in its own place, within the terminal, and stays whole at the end", () => {
    const { terminal, written } = terminalOf(10, 4);
    const view = new LiveView(terminal);
    view.draw(["a", "b"], { isLast: false });
    view.draw(["0123456789+", "c", "d", "e"], { isLast: false });
    view.draw(["a", "b", "c", "d", "e"], { isLast: true });
    expect(written).toEqual([
      "\r\u001b[0Ja\nb",
      "\u001b[2A\r\u001b[0J0123456789+\nc",
      "\u001b[3A\r\u001b[0Ja\nb\nc\nd\ne",
    ]);
  });
});
