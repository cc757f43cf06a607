/**
 * Joint work: what is asked for under one name while it is being done is done once, and ends for all who have asked as
 * it ends. It remembers nothing: who asks after that has it done again.
 */
export class Joint {
  readonly #inWork = new Map<string, Promise<void>>();

  async join(name: string, work: () => Promise<void>): Promise<void> {
    const present = this.#inWork.get(name);
    if (present !== undefined) return present;
    const mine = work();
    this.#inWork.set(name, mine);
    try {
      await mine;
    } finally {
      this.#inWork.delete(name);
    }
  }
}
