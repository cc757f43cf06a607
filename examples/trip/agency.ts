/** A travel agency in memory. Cancelling what is cancelled changes nothing. */
import { Once } from "../once.ts";

export type Kind = "flight" | "hotel" | "car";

export interface Booking {
  kind: Kind;
  bookingId: string;
}

export class SoldOut extends Error {
  override name = "SoldOut";
}

export const desk = new Once();

export const agency = {
  book: (kind: Kind, isSoldOut: boolean, key: string): Booking => {
    if (isSoldOut) throw new SoldOut(`no ${kind} left`);
    return desk.do(key, `+${kind}`, () => ({ kind, bookingId: `${kind}-${key}` }));
  },
  cancel: ({ kind, bookingId }: Booking): void => desk.do(`cancel ${bookingId}`, `-${kind}`, () => {}),
};
