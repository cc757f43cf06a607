/**
 * A saga: book a flight, a hotel and a car; if one cannot be had, give back what was booked, last first.
 *
 * 1. Each step says beside its work how it is undone. The same happens when the run is cancelled or times out.
 * 2. Booking heeds the idempotency key, cancelling goes by the booking's id: both may be asked for twice.
 * 3. A cancellation that keeps failing is listed in the run's `uncompensated`, for people to look after.
 */
import { workflow } from "stepfold";
import { z } from "zod";
import { agency, type Kind } from "./agency.ts";

const Trip = z.strictObject({
  traveller: z.string().min(1),
  /** What the agency will say it has none of. */
  soldOut: z.array(z.enum(["flight", "hotel", "car"])).default([]),
  /** The traveller may still change their mind for so long. */
  reflect: z.string().default("1 day"),
});

export const trip = workflow(
  "trip",
  { description: "Books a flight, a hotel and a car, or nothing at all.", input: Trip },
  async (run, { soldOut, reflect }) => {
    const book = (kind: Kind) =>
      run.step(
        `book ${kind}`,
        ({ idempotencyKey }) => agency.book(kind, soldOut.includes(kind), idempotencyKey),
        { retry: { nonRetryable: ["SoldOut"] }, compensate: (booking) => agency.cancel(booking) },
      );

    const flight = await book("flight");
    const hotel = await book("hotel");
    const car = await book("car");
    await run.sleep("reflect", reflect);
    return { bookings: [flight, hotel, car].map(({ bookingId }) => bookingId) };
  },
);
