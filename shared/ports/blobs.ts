/**
 * Payloads too large for the journal, by key. A blob is stored before the entry that names it and never changes:
 * its key holds its content's hash, so putting it twice is harmless. `get` of an unknown key is a `PortError` with
 * code `BlobNotFound`; checking the checksum is the caller's part.
 */
export interface BlobStore {
  put(key: string, bytes: Uint8Array): Promise<void>;
  get(key: string): Promise<Uint8Array>;
  /** Where blobs go by their age: lets those under a prefix last as if they were put now. */
  renew(prefix: string): Promise<void>;
  /** Removes every blob under a prefix. */
  removeAll(prefix: string): Promise<void>;
  /** A URL for reading the blob, valid for at least an hour, or a path of the host's own API. */
  url(key: string): Promise<string>;
}
