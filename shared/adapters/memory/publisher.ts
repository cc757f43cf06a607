/** Keeps what was published. It tells of no status until it is told to. */
import type { RunStatus } from "../../core/events.ts";
import type { Publisher, StatusChange } from "../../ports/publisher.ts";

export class MemoryPublisher implements Publisher {
  readonly published: StatusChange[] = [];
  #tells: (status: RunStatus) => boolean = () => false;

  tellOf(tells: (status: RunStatus) => boolean): void {
    this.#tells = tells;
  }

  tells(status: RunStatus): boolean {
    return this.#tells(status);
  }

  async publish(changes: readonly StatusChange[]): Promise<void> {
    this.published.push(...changes.map((change) => structuredClone(change)));
  }
}
