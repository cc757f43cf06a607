/** A binary heap: the least first, by the given order. */
export class Heap<Value> {
  readonly #values: Value[] = [];
  readonly #isBefore: (left: Value, right: Value) => boolean;

  constructor(isBefore: (left: Value, right: Value) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#values.length;
  }

  peek(): Value | undefined {
    return this.#values[0];
  }

  push(value: Value): void {
    const values = this.#values;
    let hole = values.length;
    values.push(value);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!this.#isBefore(value, values[parent]!)) break;
      values[hole] = values[parent]!;
      hole = parent;
    }
    values[hole] = value;
  }

  pop(): Value | undefined {
    const values = this.#values;
    const least = values[0];
    const last = values.pop();
    if (values.length === 0 || last === undefined) return least;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= values.length) break;
      if (child + 1 < values.length && this.#isBefore(values[child + 1]!, values[child]!)) child++;
      if (!this.#isBefore(values[child]!, last)) break;
      values[hole] = values[child]!;
      hole = child;
    }
    values[hole] = last;
    return least;
  }
}
