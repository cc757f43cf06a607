/** The files that the steps read and write. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";

/** One of the files that the package vega-datasets brings along. */
export const dataset = (name: string): string =>
  resolve(dirname(createRequire(import.meta.url).resolve("vega-datasets")), "../data", name);

/** Two files that are read side by side are done in the order of asking: the golden journal says so. */
export const readText = (path: string): string => readFileSync(path, "utf8");

/** Puts the whole text at `path`, or nothing: a reader never sees half a file. `key` names the draft, so that a
 * second try overwrites what a crashed one left. */
export async function publishText(
  path: string,
  text: string,
  key: string,
): Promise<{ path: string; bytes: number; sha256: string }> {
  const draft = join(dirname(path), `.${key}.draft`);
  await mkdir(dirname(path), { recursive: true });
  try {
    await writeFile(draft, text, { flush: true });
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  return { path, bytes: Buffer.byteLength(text), sha256: createHash("sha256").update(text).digest("hex") };
}
