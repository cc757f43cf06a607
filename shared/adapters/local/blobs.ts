/**
 * Blobs as files. A key's segments are directories and its last one a file; a prefix of keys is so a directory, or the
 * beginning of some names in one.
 *
 * 1. A blob is there whole or not at all: it is written under another name, synced, and renamed.
 * 2. Different keys are different files, also where the file system ignores case or a name would be too long.
 */
import { mkdirSync, rmSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PortError } from "../../core/errors.ts";
import type { BlobStore } from "../../ports/blobs.ts";
import type { Clock } from "../../ports/clock.ts";
import { blobNotFound, blobPath } from "../common/blobs.ts";

/** Holds unfinished blobs. No key's name begins with a dot. */
const UNFINISHED = ".unfinished";
/** What of a segment goes into one name: file systems take 255 bytes. */
const PIECES = /.{1,200}/g;

export class LocalBlobs implements BlobStore {
  readonly #root: string;
  readonly #clock: Clock;

  constructor(root: string, clock: Clock) {
    this.#root = root;
    this.#clock = clock;
    rmSync(join(root, UNFINISHED), { recursive: true, force: true });
    mkdirSync(join(root, UNFINISHED), { recursive: true });
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const file = this.#fileOf(key);
    const unfinished = join(this.#root, UNFINISHED, this.#clock.id());
    try {
      await writeSynced(unfinished, bytes.slice());
      await this.#moveTo(file, unfinished).catch((cause) => {
        // The directory was removed in between, with what was in it.
        if (isMissing(cause)) return this.#moveTo(file, unfinished);
        throw cause;
      });
    } catch (cause) {
      await rm(unfinished, { force: true });
      throw failure("put", key, cause);
    }
  }

  async get(key: string): Promise<Uint8Array> {
    try {
      return await readFile(this.#fileOf(key));
    } catch (cause) {
      throw isMissing(cause) ? blobNotFound(key) : failure("get", key, cause);
    }
  }

  async removeAll(prefix: string): Promise<void> {
    const { directories, last } = namesOf(prefix);
    const directory = join(this.#root, ...directories);
    try {
      for (const name of await readdir(directory)) {
        const isMeant = name.startsWith(last) && name !== UNFINISHED;
        if (isMeant) await rm(join(directory, name), { recursive: true, force: true });
      }
    } catch (cause) {
      if (!isMissing(cause)) throw failure("remove", prefix, cause);
    }
    await this.#prune(directories);
  }

  /** Empty directories would stay for ever: all but the first, which every key shares. */
  async #prune(directories: readonly string[]): Promise<void> {
    for (let depth = directories.length; depth > 1; depth--)
      try {
        await rmdir(join(this.#root, ...directories.slice(0, depth)));
      } catch (cause) {
        if (!isMissing(cause)) return;
      }
  }

  /** They go with their runs (`expiry.ts`), whatever their age. */
  async renew(): Promise<void> {}

  async url(key: string): Promise<string> {
    return blobPath(key);
  }

  #fileOf(key: string): string {
    const { directories, last } = namesOf(key);
    return join(this.#root, ...directories, last === "" ? "%" : last);
  }

  async #moveTo(file: string, unfinished: string): Promise<void> {
    const directory = dirname(file);
    const made = await mkdir(directory, { recursive: true });
    await rename(unfinished, file);
    await sync(directory);
    if (made === undefined) return;
    for (let above = directory; above.length >= made.length; ) {
      above = dirname(above);
      await sync(above);
    }
  }
}

/**
 * A key's directories and the name in the last of them. A directory's name ends in `@`, or in `+` where a segment goes
 * on because it is too long for one name: so `a` and `a/b` can both be, and what a key begins with, its names do.
 */
function namesOf(key: string): { directories: string[]; last: string } {
  const directories: string[] = [];
  let last = "";
  for (const [index, segment] of key.split("/").entries()) {
    if (index > 0) directories.push(`${last}@`);
    const pieces = encode(segment).match(PIECES) ?? [""];
    last = pieces.pop()!;
    directories.push(...pieces.map((piece) => `${piece}+`));
  }
  return { directories, last };
}

function encode(segment: string): string {
  let encoded = "";
  for (const character of segment) {
    if (/[a-z0-9_~-]/.test(character) || (character === "." && encoded !== "")) encoded += character;
    else if (/[A-Z]/.test(character)) encoded += `=${character.toLowerCase()}`;
    else for (const byte of Buffer.from(character)) encoded += `%${byte.toString(16).padStart(2, "0")}`;
  }
  return encoded;
}

async function writeSynced(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, "wx");
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const isMissing = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && cause.code === "ENOENT";

const failure = (doing: string, key: string, cause: unknown): PortError =>
  new PortError("BlobStoreFailed", `Expected to ${doing} the blob ${key}, got: ${String(cause)}.`, {
    retryable: true,
    cause,
    data: { key },
  });
