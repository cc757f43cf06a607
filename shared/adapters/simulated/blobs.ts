/** Another blob store, called under faults. */
import type { BlobStore } from "../../ports/blobs.ts";
import type { Caller } from "./caller.ts";

export class SimulatedBlobs implements BlobStore {
  readonly #blobs: BlobStore;
  readonly #caller: Caller;

  constructor(blobs: BlobStore, caller: Caller) {
    this.#blobs = blobs;
    this.#caller = caller;
  }

  put(key: string, bytes: Uint8Array): Promise<void> {
    return this.#caller.call({ port: "blobs", method: "put" }, () => this.#blobs.put(key, bytes));
  }

  get(key: string): Promise<Uint8Array> {
    return this.#caller.call({ port: "blobs", method: "get" }, () => this.#blobs.get(key));
  }

  removeAll(prefix: string): Promise<void> {
    return this.#caller.call({ port: "blobs", method: "removeAll" }, () => this.#blobs.removeAll(prefix));
  }

  renew(prefix: string): Promise<void> {
    return this.#caller.call({ port: "blobs", method: "renew" }, () => this.#blobs.renew(prefix));
  }

  url(key: string): Promise<string> {
    return this.#caller.call({ port: "blobs", method: "url" }, () => this.#blobs.url(key));
  }
}
