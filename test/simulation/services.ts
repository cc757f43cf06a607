/**
 * The world outside of the runs: what steps touch. It outlives every process, does each thing once for an
 * idempotency key, and takes virtual time.
 */
import { airportColumns, routeColumns, rowsOf } from "../../examples/air-traffic/rows.ts";
import type { StepContext } from "../../shared/core/context.ts";
import { sha256 } from "../../shared/core/ids.ts";

const AIRPORTS =
  "iata,name,city,state,country,latitude,longitude\nAAA,A,A,AK,USA,60,-150\nBBB,B,B,AL,USA,33,-86\nCCC,C,C,,USA,,\n";
const FLIGHTS = "origin,destination,count\nAAA,BBB,3\nBBB,AAA,2\nAAA,CCC,9\n";

type Work = (step: StepContext) => unknown;

export class Services {
  readonly #answers = new Map<string, { status: number; body: object }>();
  readonly #failures = new Map<string, number>();
  readonly #charges = new Map<string, string>();
  readonly files = new Map<string, string>();
  /** What steps have handed out, by name, in order. */
  readonly handed = new Map<string, unknown[]>();
  readonly healed = new Set<string>();

  handOut(name: string, value: unknown): void {
    this.handed.set(name, [...(this.handed.get(name) ?? []), value]);
  }

  /** The only charge of an order, or one that nobody has made. */
  chargeOf(orderId: string): string {
    return this.#charges.get(orderId) ?? "charge-none";
  }

  /** What the shop's services answer to a request. */
  answer(path: string, key: string, body: Record<string, string>): { status: number; body: object } {
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    if (path === "/charges" && body.card === "4000000000000341") {
      const failed = this.#failures.get(key) ?? 0;
      this.#failures.set(key, failed + 1);
      if (failed < 1) return { status: 503, body: { detail: "try again" } };
    }
    const fresh = this.#act(path, key, body);
    this.#answers.set(key, fresh);
    return fresh;
  }

  #act(path: string, key: string, body: Record<string, string>): { status: number; body: object } {
    if (path === "/charges") {
      if (body.card === "4000000000000002") return { status: 402, body: { detail: "insufficient funds" } };
      this.#charges.set(body.orderId!, `charge-${key}`);
      return { status: 200, body: { chargeId: `charge-${key}` } };
    }
    if (path === "/refunds") return { status: 200, body: { chargeId: body.chargeId } };
    return { status: 200, body: { parcelId: `parcel-${key}` } };
  }

  /** What stands in for steps that would touch real files. */
  readonly replacements: Record<string, Work> = {
    "air-traffic/read airports": () => rowsOf(AIRPORTS, airportColumns),
    "air-traffic/read routes": () => rowsOf(FLIGHTS, routeColumns),
    "air-traffic/publish": ({ idempotencyKey }) => {
      const text = `report of ${idempotencyKey}`;
      this.files.set(idempotencyKey, text);
      return { path: idempotencyKey, bytes: text.length, sha256: sha256(text) };
    },
  };
}
