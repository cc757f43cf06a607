/** Writes each change as a line: the event as a rule of EventBridge would see it. */
import type { Publisher, StatusChange } from "../../ports/publisher.ts";
import { detailOf, EVENT_DETAIL_TYPE, EVENT_SOURCE } from "../common/events.ts";

export class LinePublisher implements Publisher {
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  tells(): boolean {
    return true;
  }

  async publish(changes: readonly StatusChange[]): Promise<void> {
    for (const change of changes)
      this.#write(
        JSON.stringify({ source: EVENT_SOURCE, "detail-type": EVENT_DETAIL_TYPE, detail: detailOf(change) }),
      );
  }
}
