/** A mailbox in memory. */
import { Once } from "../once.ts";

export const mailbox = new Once();

export const mail = (person: string, what: string, key: string): void =>
  mailbox.do(key, `${what} to ${person}`, () => {});
