/**
 * The table's calls, each retried, counted and named: what the journal's methods are written in.
 *
 * 1. Every call asks for the capacity that it consumed and counts it on the meter, for its run where it has one.
 *    A refused conditional write is billed too, though its answer does not say so: it is counted by the item's size.
 * 2. A refused condition is an answer, not an error.
 * 3. What a batch leaves over is sent again, and only that.
 */
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  type ConditionalCheckFailedException,
  type ConsumedCapacity,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import type { Clock } from "../../ports/clock.ts";
import type { Meter } from "../../ports/meter.ts";
import { bytesOf, type Item, type ItemKey, writeUnitsOf } from "./items.ts";
import { type Call, isException, type MissingResource, withLeftovers, withRetry } from "./retry.ts";

export interface TableOptions {
  client: DynamoDBClient;
  table: string;
  clock: Clock;
  meter: Meter;
}

/** What is being done, completing "Could not …", and whose cost it is. */
export interface Doing {
  doing: string;
  runId?: string;
}

export interface Condition {
  condition: string;
  names?: Record<string, string>;
  values?: Item;
}

/** `item` is what stood in the way: absent when nothing did (a condition that wanted an item). */
export type Conditional = { done: true } | { done: false; item?: Item };

const KEYS_PER_GET_MAX = 100;
const DELETES_PER_WRITE_MAX = 25;

export class Table {
  readonly #client: DynamoDBClient;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #missing: MissingResource;

  constructor(options: TableOptions) {
    this.#client = options.client;
    this.#name = options.table;
    this.#clock = options.clock;
    this.#meter = options.meter;
    this.#missing = missingTable(options.table);
  }

  async get(
    key: ItemKey,
    what: Doing,
    options: { consistent?: boolean; only?: string } = {},
  ): Promise<Item | undefined> {
    const answer = await this.#retry(what, () =>
      this.#client.send(
        new GetItemCommand({
          TableName: this.#name,
          Key: key,
          ConsistentRead: options.consistent ?? false,
          ...(options.only === undefined ? {} : { ProjectionExpression: options.only }),
          ReturnConsumedCapacity: "TOTAL",
        }),
      ),
    );
    this.#count("readUnits", what, answer.ConsumedCapacity);
    return answer.Item;
  }

  /** The pages of a query, as long as the caller asks for more. */
  async *pages(
    query: Omit<QueryCommandInput, "TableName">,
    what: Doing,
  ): AsyncGenerator<Item[], void, undefined> {
    let from: Item | undefined;
    do {
      const answer = await this.#retry(what, () =>
        this.#client.send(
          new QueryCommand({
            ...query,
            TableName: this.#name,
            ReturnConsumedCapacity: "TOTAL",
            ...(from === undefined ? {} : { ExclusiveStartKey: from }),
          }),
        ),
      );
      this.#count("readUnits", what, answer.ConsumedCapacity);
      yield answer.Items ?? [];
      from = answer.LastEvaluatedKey;
    } while (from !== undefined);
  }

  /** Consistent; in no order; absent items are left out. */
  async getAll(keys: ItemKey[], what: Doing): Promise<Item[]> {
    const found: Item[] = [];
    for (const chunk of chunksOf(keys, KEYS_PER_GET_MAX)) {
      await withLeftovers(this.#clock, this.#call(what), chunk, async (left) => {
        const answer = await this.#client.send(
          new BatchGetItemCommand({
            RequestItems: { [this.#name]: { Keys: left, ConsistentRead: true } },
            ReturnConsumedCapacity: "TOTAL",
          }),
        );
        for (const consumed of answer.ConsumedCapacity ?? []) this.#count("readUnits", what, consumed);
        found.push(...(answer.Responses?.[this.#name] ?? []));
        return { again: (answer.UnprocessedKeys?.[this.#name]?.Keys ?? []) as ItemKey[] };
      });
    }
    return found;
  }

  put(item: Item, condition: Condition | undefined, what: Doing): Promise<Conditional> {
    return this.#conditional(what, item, async () => {
      const command = new PutItemCommand({ TableName: this.#name, Item: item, ...expressions(condition) });
      return (await this.#client.send(command)).ConsumedCapacity;
    });
  }

  update(key: ItemKey, change: Condition & { update: string }, what: Doing): Promise<Conditional> {
    return this.#conditional(what, key, async () => {
      const command = new UpdateItemCommand({
        TableName: this.#name,
        Key: key,
        UpdateExpression: change.update,
        ...expressions(change),
      });
      return (await this.#client.send(command)).ConsumedCapacity;
    });
  }

  delete(key: ItemKey, condition: Condition, what: Doing): Promise<Conditional> {
    return this.#conditional(what, key, async () => {
      const command = new DeleteItemCommand({ TableName: this.#name, Key: key, ...expressions(condition) });
      return (await this.#client.send(command)).ConsumedCapacity;
    });
  }

  async deleteAll(keys: ItemKey[], what: Doing): Promise<void> {
    for (const chunk of chunksOf(keys, DELETES_PER_WRITE_MAX)) {
      await withLeftovers(this.#clock, this.#call(what), chunk, async (left) => {
        const answer = await this.#client.send(
          new BatchWriteItemCommand({
            RequestItems: { [this.#name]: left.map((Key) => ({ DeleteRequest: { Key } })) },
            ReturnConsumedCapacity: "TOTAL",
          }),
        );
        for (const consumed of answer.ConsumedCapacity ?? []) this.#count("writeUnits", what, consumed);
        const unprocessed = answer.UnprocessedItems?.[this.#name] ?? [];
        return { again: unprocessed.map((request) => request.DeleteRequest?.Key as ItemKey) };
      });
    }
  }

  #conditional(
    what: Doing,
    written: Item,
    write: () => Promise<ConsumedCapacity | undefined>,
  ): Promise<Conditional> {
    return this.#retry(what, async () => {
      try {
        this.#count("writeUnits", what, await write());
        return { done: true };
      } catch (error) {
        if (!isException(error, "ConditionalCheckFailedException")) throw error;
        const item = (error as ConditionalCheckFailedException).Item;
        this.#meter.count(what.runId, "writeUnits", writeUnitsOf(bytesOf(item ?? written)));
        return item === undefined ? { done: false } : { done: false, item };
      }
    });
  }

  #retry<T>(what: Doing, action: () => Promise<T>): Promise<T> {
    return withRetry(this.#clock, this.#call(what), action);
  }

  #call(what: Doing): Call {
    return {
      doing: what.doing,
      data: { table: this.#name, ...(what.runId === undefined ? {} : { runId: what.runId }) },
      missing: this.#missing,
    };
  }

  #count(kind: "writeUnits" | "readUnits", what: Doing, consumed: ConsumedCapacity | undefined): void {
    this.#meter.count(what.runId, kind, consumed?.CapacityUnits ?? 0);
  }
}

export const missingTable = (table: string): MissingResource => ({
  errors: ["ResourceNotFoundException"],
  code: "TableNotFound",
  message: `Expected the DynamoDB table ${table} to exist, got none. Run \`cdk deploy\`, or check AWS_REGION and AWS_ENDPOINT_URL_DYNAMODB: they say where it is looked for.`,
});

function expressions(under: Condition | undefined) {
  if (under === undefined) return { ReturnConsumedCapacity: "TOTAL" } as const;
  const { condition, names, values } = under;
  return {
    ConditionExpression: condition,
    ...(names === undefined ? {} : { ExpressionAttributeNames: names }),
    ...(values === undefined ? {} : { ExpressionAttributeValues: values }),
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    ReturnConsumedCapacity: "TOTAL",
  } as const;
}

function* chunksOf<T>(items: T[], size: number): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
