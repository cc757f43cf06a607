/** Blobs in a map, kept by value. */
import type { BlobStore } from "../../ports/blobs.ts";
import { blobNotFound, blobPath } from "../common/blobs.ts";

export class MemoryBlobs implements BlobStore {
  readonly #blobs = new Map<string, Uint8Array>();

  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.#blobs.set(key, bytes.slice());
  }

  async get(key: string): Promise<Uint8Array> {
    const bytes = this.#blobs.get(key);
    if (bytes === undefined) throw blobNotFound(key);
    return bytes.slice();
  }

  async removeAll(prefix: string): Promise<void> {
    for (const key of [...this.#blobs.keys()]) if (key.startsWith(prefix)) this.#blobs.delete(key);
  }

  async renew(): Promise<void> {}

  async url(key: string): Promise<string> {
    return blobPath(key);
  }

  /** Every key, in order. */
  keys(): string[] {
    return [...this.#blobs.keys()].sort();
  }
}
