/** The function behind the HTTP API. */
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { createApi } from "../shared/api/handler.ts";
import { asFunction, type FunctionEngine, type LambdaFunction } from "./function.ts";

export function apiFunction(
  engine: FunctionEngine,
): LambdaFunction<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2> {
  return asFunction(engine, createApi(engine));
}
