/**
 * The examples' golden journals, for their tests: `UPDATE_GOLDEN=1` records those that a test asks for anew. Keep
 * the old file beside the new one when a workflow changes: runs that began under old code must still end.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type GoldenJournal, recordJournal, type TestHost } from "stepfold/testing";

const isUpdating = process.env.UPDATE_GOLDEN === "1";

/** The run's journal, and the golden one that it must equal. */
export async function withGolden(
  host: TestHost,
  runId: string,
  file: URL,
  scrub: Record<string, string> = {},
): Promise<{ recorded: GoldenJournal; golden: GoldenJournal }> {
  const recorded = await recordJournal(host, runId, scrub);
  if (isUpdating) {
    mkdirSync(dirname(fileURLToPath(file)), { recursive: true });
    writeFileSync(file, `${JSON.stringify(recorded, null, 1)}\n`);
  }
  return { recorded, golden: readGolden(file) };
}

export const readGolden = (file: URL): GoldenJournal =>
  JSON.parse(readFileSync(file, "utf8")) as GoldenJournal;

/** Every golden journal in a folder. */
export const goldenIn = (folder: URL): URL[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => new URL(name, folder));
