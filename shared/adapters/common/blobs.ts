/** What the blob stores without a service share: how an unknown key fails, and the host's path of a key. */
import { PortError } from "../../core/errors.ts";

export const blobNotFound = (key: string): PortError =>
  new PortError("BlobNotFound", `Expected a blob at ${key}, got none.`, { retryable: false, data: { key } });

/** The path of the host's own API at which a blob is read: its last segment is the key, percent-encoded. */
export const blobPath = (key: string): string => `/blobs/${encodeURIComponent(key)}`;
