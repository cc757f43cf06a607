/**
 * Status changes on an EventBridge bus: source `stepfold`, detail type `Run Status Changed`.
 *
 * A request takes ten events, and may refuse some of them: those are sent again, and only those. Of the entries that
 * are refused for good, the first one's reason is what is thrown.
 */
import { type EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { PortError } from "../../core/errors.ts";
import type { RunStatus } from "../../core/events.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Publisher, StatusChange } from "../../ports/publisher.ts";
import { detailOf, EVENT_DETAIL_TYPE, EVENT_SOURCE } from "../common/events.ts";
import type { BusConfig } from "./names.ts";
import { type Call, withLeftovers } from "./retry.ts";

export interface EventBridgePublisherOptions extends BusConfig {
  client: EventBridgeClient;
  clock: Clock;
}

/** EventBridge: `PutEvents`. */
const EVENTS_PER_REQUEST_MAX = 10;
const PASSING = new Set(["ThrottlingException", "InternalFailure", "InternalException"]);

export class EventBridgePublisher implements Publisher {
  readonly #options: EventBridgePublisherOptions;
  readonly #statuses: ReadonlySet<RunStatus> | undefined;

  constructor(options: EventBridgePublisherOptions) {
    this.#options = options;
    this.#statuses = options.statuses && new Set(options.statuses);
  }

  tells(status: RunStatus): boolean {
    return this.#statuses?.has(status) ?? true;
  }

  async publish(changes: readonly StatusChange[]): Promise<void> {
    for (let from = 0; from < changes.length; from += EVENTS_PER_REQUEST_MAX) {
      const batch = changes.slice(from, from + EVENTS_PER_REQUEST_MAX);
      const call = this.#call(batch);
      await withLeftovers(this.#options.clock, call, batch, (left) => this.#put(left, call));
    }
  }

  async #put(changes: StatusChange[], call: Call): Promise<{ again: StatusChange[]; reason?: string }> {
    const { client, bus } = this.#options;
    const command = new PutEventsCommand({
      Entries: changes.map((change) => ({
        EventBusName: bus,
        Source: EVENT_SOURCE,
        DetailType: EVENT_DETAIL_TYPE,
        Time: new Date(change.at),
        Detail: JSON.stringify(detailOf(change)),
      })),
    });
    const { Entries = [] } = await client.send(command);
    const refused = changes.flatMap((change, index) => {
      const { ErrorCode: code, ErrorMessage: message = "" } = Entries[index] ?? {};
      return code === undefined ? [] : [{ change, code, message }];
    });
    const lasting = refused.find(({ code }) => !PASSING.has(code));
    if (lasting !== undefined)
      throw new PortError("RequestRefused", `Could not ${call.doing}: ${lasting.code}: ${lasting.message}`, {
        retryable: false,
        data: { ...call.data, error: lasting.code },
      });
    const again = refused.map(({ change }) => change);
    return refused[0] === undefined ? { again } : { again, reason: refused[0].code };
  }

  #call([first]: readonly StatusChange[]): Call {
    const { bus } = this.#options;
    const { runId = "", status = "" } = first ?? {};
    return {
      doing: `publish on the bus ${bus} that run ${runId} is ${status}`,
      data: { bus, runId },
      missing: {
        errors: ["ResourceNotFoundException"],
        code: "BusNotFound",
        message: `Expected the event bus ${bus} to exist, got none. Run \`cdk deploy\`, or check AWS_REGION and AWS_ENDPOINT_URL_EVENTBRIDGE.`,
      },
    };
  }
}
