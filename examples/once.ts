/**
 * A service in memory, for the examples that need none on the wire: it does each thing once for a key, as good
 * services do, and `log` is what it has done. It forgets everything with its process.
 */
export class Once {
  readonly log: string[] = [];
  readonly #answers = new Map<string, unknown>();

  /** Does what `line` says, and answers the same whenever the key comes again. */
  do<Answer>(key: string, line: string, answer: () => Answer): Answer {
    if (!this.#answers.has(key)) {
      this.#answers.set(key, answer());
      this.log.push(line);
    }
    return this.#answers.get(key) as Answer;
  }

  /** As if the service were new: for tests. */
  forget(): void {
    this.log.length = 0;
    this.#answers.clear();
  }
}
