/**
 * A run's operations, read page by page; read again, only from the first page on which something may have changed.
 */
import type { Client, OperationView } from "../shared/client/index.ts";

const PAGE = 200;
const OPEN: readonly string[] = ["pending", "running", "sleeping", "waiting"];

export const isOpen = ({ status }: Pick<OperationView, "status">): boolean => OPEN.includes(status);

export class Operations {
  readonly #client: Client;
  readonly #runId: string;
  /** The pages that are known, each by where it begins. */
  #pages: { cursor: string | undefined; items: OperationView[] }[] = [];
  /** There are more than were asked for. */
  isCut = false;

  constructor(client: Client, runId: string) {
    this.#client = client;
    this.#runId = runId;
  }

  /** All of them as they are now, up to a count. */
  async read(max = Number.POSITIVE_INFINITY): Promise<OperationView[]> {
    const settled = this.#pages.findIndex(({ items }) => items.length < PAGE || items.some(isOpen));
    const kept = settled < 0 ? this.#pages : this.#pages.slice(0, settled);
    let cursor = this.#pages[kept.length]?.cursor;
    const pages = [...kept];
    let count = kept.length * PAGE;
    do {
      const page = await this.#client.operations(this.#runId, { limit: PAGE, ...(cursor && { cursor }) });
      pages.push({ cursor, items: page.items });
      count += page.items.length;
      cursor = page.cursor;
    } while (cursor !== undefined && count < max);
    this.#pages = pages;
    this.isCut = cursor !== undefined;
    return pages.flatMap(({ items }) => items);
  }
}
