/** Lines: what is done under one name in one process is done one after another, in the order in which it came. */
export class Lines {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Does `work` once all that came before it is done, however that ended. */
  async queue<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name);
    const mine = before === undefined ? work() : before.then(work, work);
    this.#last.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name);
    }
  }
}
