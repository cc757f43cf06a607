/** Where in the code an operation stands: its id is the path of its scope and a counter in it, `3/email/1`. */
export class Scope {
  readonly prefix: string;
  /** The fork that this scope is a branch of. */
  readonly parent: string | undefined;
  closed = false;
  #count = 0;

  constructor(prefix: string, parent: string | undefined) {
    this.prefix = prefix;
    this.parent = parent;
  }

  next(): string {
    return `${this.prefix}${++this.#count}`;
  }
}
