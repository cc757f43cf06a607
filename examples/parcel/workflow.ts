/**
 * A declared flow: where the shape is known beforehand, say it as a chain. It is drawn from what is said here, and
 * runs on the same engine.
 *
 * 1. Each task is given what the one before it returned; delays pass it on.
 * 2. The shape has a hash: a run whose flow has got another shape waits until its own is back.
 */
import { flow } from "stepfold";
import { z } from "zod";

const Parcel = z.strictObject({ id: z.string().min(1), grams: z.number().positive() });

const locker = flow<{ id: string; euros: number }>("locker")
  .delay("until it is there", "2 days")
  .then("open locker", ({ id }) => ({ locker: id.length, code: `code-${id}` }));

export const parcel = flow("parcel", {
  description: "Weighs, prices and sends a parcel; tells the sender and opens a locker.",
  input: Parcel,
})
  .then("price", ({ id, grams }) => ({ id, euros: grams > 1_000 ? 9 : 5 }))
  .delay("pick-up", "4h")
  .branches({ receipt: ({ id, euros }) => `${id}: ${euros} €`, locker })
  .join("report", ({ receipt, locker }) => ({ receipt, code: locker.code }))
  .build();
