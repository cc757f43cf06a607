/** How much one page of a read holds: so many items, and the bytes at which it is full. Pure. */
import { PAGE_BYTES_MAX, PAGE_ENTRIES_MAX } from "../../core/limits.ts";

export const pageLimit = (limit: number | undefined): number =>
  Math.min(limit ?? PAGE_ENTRIES_MAX, PAGE_ENTRIES_MAX);

/** The first of `items`, up to `limit` and until the page is full; one at least, where there is one to give. */
export function pageOf<Item>(
  items: readonly Item[],
  limit: number,
  bytesOf: (item: Item) => number,
): { page: Item[]; more: boolean } {
  let bytes = 0;
  let count = 0;
  while (count < Math.min(limit, items.length) && bytes < PAGE_BYTES_MAX) bytes += bytesOf(items[count++]!);
  return { page: items.slice(0, count), more: count < items.length };
}
