/**
 * The HTTP API as a function of API Gateway events (HTTP API, payload version 2).
 *
 * 1. Nothing that a caller sends is answered above 499.
 * 2. Every answer is JSON, and a failure `application/problem+json`.
 */
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { toRunError } from "../core/errors.ts";
import type { Engine } from "../engine/settings.ts";
import { admitted } from "./access.ts";
import { acceptsGzip, asResult } from "./answer.ts";
import { problemOf } from "./problem.ts";
import { requestOf } from "./request.ts";
import type { ApiResponse } from "./route.ts";
import { createRouter } from "./router.ts";
import { routes } from "./routes/index.ts";

export type Api = (event: APIGatewayProxyEventV2) => Promise<APIGatewayProxyStructuredResultV2>;

export function createApi(engine: Engine): Api {
  const router = createRouter(routes);
  const answer = async (event: APIGatewayProxyEventV2): Promise<ApiResponse> => {
    const answering = acceptsGzip(event) ? engine : { ...engine, isPlain: true };
    try {
      const match = router(event.requestContext.http.method, event.rawPath, isDecoded(event));
      const request = requestOf(match, event);
      const caller = await admitted(engine, match.route, match.params, event);
      const own = caller === undefined ? request : { ...request, caller };
      return await match.route.handle(answering, own);
    } catch (error) {
      const response = problemOf(error);
      if (response.status >= 500) logFailure(engine, event, error);
      return response;
    }
  };
  return async (event) => asResult(await answer(event));
}

/** API Gateway decodes the paths of its HTTP APIs' routes; function URLs and the local host, which have none, do not. */
const isDecoded = ({ routeKey }: APIGatewayProxyEventV2): boolean => routeKey !== "$default";

function logFailure(engine: Engine, event: APIGatewayProxyEventV2, error: unknown): void {
  const { method } = event.requestContext.http;
  engine.log.error("A request failed.", {
    method,
    path: event.rawPath,
    error: toRunError(error, "InternalError"),
  });
}
