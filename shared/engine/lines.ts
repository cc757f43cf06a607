/**
 * Lines: what is done under one name in one process is done one after another, in the order in which it came.
 *
 * What one of them takes for its turn serves all that stood in line before it was taken, as long as none of them
 * changes it: it is as fresh as what they would take themselves.
 */
export class Lines<Held> {
  readonly #lines = new Map<string, Line<Held>>();

  /** Does `work` once all that came before it is done, however that ended. */
  async queue<T>(name: string, { take, putBack }: Store<Held>, work: Work<Held, T>): Promise<T> {
    const line = this.#lines.get(name) ?? { came: 0 };
    this.#lines.set(name, line);
    const place = ++line.came;
    const turn = async (): Promise<T> => {
      line.held ??= { upTo: line.came, value: await take() };
      const { value, upTo } = line.held;
      let isAsBefore = false;
      try {
        const done = await work(value);
        isAsBefore = done.isAsBefore;
        return done.answer;
      } finally {
        if (!isAsBefore || place === upTo) {
          line.held = undefined;
          putBack(value);
        }
      }
    };
    const mine = line.last === undefined ? turn() : line.last.then(turn, turn);
    line.last = mine;
    try {
      return await mine;
    } finally {
      if (line.last === mine) this.#lines.delete(name);
    }
  }
}

interface Line<Held> {
  /** How many have come. */
  came: number;
  last?: Promise<unknown>;
  /** What was taken when `upTo` had come. */
  held?: { upTo: number; value: Held };
}

/** Where it is taken from before a turn, and where it goes after the last one that it serves. */
export interface Store<Held> {
  take(): Promise<Held>;
  putBack(held: Held): void;
}

type Work<Held, T> = (held: Held) => Promise<{ answer: T; isAsBefore: boolean }>;
