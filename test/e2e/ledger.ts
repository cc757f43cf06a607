/** A call of AWS that only the worker group's function is allowed. */
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";

export async function book(id: string): Promise<string> {
  await new DynamoDBClient({}).send(
    new PutItemCommand({ TableName: process.env.LEDGER!, Item: { id: { S: id } } }),
  );
  return `booked ${id}`;
}
