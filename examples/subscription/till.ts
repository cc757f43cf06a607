/** A till in memory. */
import { Once } from "../once.ts";

export const till = new Once();

export const charge = (customer: string, month: number, key: string): void =>
  till.do(key, `${customer} month ${month}`, () => {});
