/**
 * Pipelines as child runs: a catalogue is imported file by file, each file by a run of its own, two at a time.
 *
 * 1. A child has its own journal, retries and page in the console; its parent waits for its output, and cancels it
 *    with itself.
 * 2. A file that cannot be imported is tolerated, up to a quarter of them: its result is `null`.
 */
import { workflow } from "stepfold";
import { z } from "zod";

const File = z.strictObject({ name: z.string().min(1), lines: z.array(z.string()) });

export const fileImport = workflow(
  "file-import",
  {
    description: "Reads, checks and loads one file of a catalogue.",
    input: File,
    retry: { maxAttempts: 2, initialDelay: "1m" },
  },
  async (run, { name, lines }) => {
    const rows = await run.step("read", () => lines.map((line) => line.split(";")));
    const good = await run.step("check", () => {
      if (rows.some((row) => row.length !== 2)) throw new Error(`${name}: expected two fields a line`);
      return rows.map(([sku, price]) => ({ sku: sku!, cents: Math.round(Number(price) * 100) }));
    });
    return { name, products: good.length, cents: good.reduce((sum, { cents }) => sum + cents, 0) };
  },
);

export const catalogue = workflow(
  "catalogue",
  { description: "Imports a catalogue, each file by a run of its own.", input: z.array(File).min(1) },
  async (run, files) => {
    const imported = await run.map("files", files, (item, file) => item.child("import", fileImport, file), {
      concurrency: 2,
      tolerate: "25%",
    });
    const good = imported.filter((result) => result !== null);
    return {
      files: good.length,
      failed: files.length - good.length,
      products: good.reduce((sum, { products }) => sum + products, 0),
    };
  },
);
