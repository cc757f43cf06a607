/**
 * The engine of a Lambda function: built once per process from the environment, with Powertools around each
 * invocation. A bundle's entry is `export const handler = advanceFunction(await lambdaEngine(workflows, groups));`,
 * where `workflows` is the user's module (`import * as workflows from …`) and `groups` the modules of the worker
 * groups by name; functions without workflows leave both out.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Logger } from "@aws-lambda-powertools/logger";
import { injectLambdaContext } from "@aws-lambda-powertools/logger/middleware";
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import { Tracer } from "@aws-lambda-powertools/tracer";
import { captureLambdaHandler } from "@aws-lambda-powertools/tracer/middleware";
import type { MiddlewareObj } from "@middy/core";
import { awsPorts } from "../shared/adapters/aws/index.ts";
import { configFromEnvironment, GROUP_ENVIRONMENT } from "../shared/adapters/aws/names.ts";
import type { Log } from "../shared/core/context.ts";
import { sha256 } from "../shared/core/ids.ts";
import { BLOB_EXPIRY_MS } from "../shared/core/limits.ts";
import { createEngine } from "../shared/engine/settings.ts";
import { settingsFrom, sourcesFrom } from "./environment.ts";
import type { FunctionEngine } from "./function.ts";

type Environment = Record<string, string | undefined>;

export async function lambdaEngine(
  workflows: object = {},
  groups: Record<string, object> = {},
  env: Environment = process.env,
): Promise<FunctionEngine> {
  const logger = new Logger();
  const ports = awsPorts(configFromEnvironment(env));
  const engine = createEngine(ports, {
    workflows: Object.values(workflows),
    groups: Object.fromEntries(
      Object.entries(groups).map(([group, members]) => [group, Object.values(members)]),
    ),
    log: asLog(logger),
    settings: {
      owner: env.AWS_LAMBDA_LOG_STREAM_NAME ?? ports.clock.id(),
      codeHash: bundleHash(),
      group: env[GROUP_ENVIRONMENT] || undefined,
      blobExpiryMs: BLOB_EXPIRY_MS,
      ...settingsFrom(env),
    },
  });
  const metrics = new Metrics();
  return {
    ...engine,
    middlewares: observability(logger, metrics),
    sources: sourcesFrom(env),
    count: (metric, value) => metrics.addMetric(metric, MetricUnit.Count, value),
  };
}

/** The bundle is one file, and this code is in it. */
const bundleHash = (): string => sha256(readFileSync(fileURLToPath(import.meta.url)));

function observability(logger: Logger, metrics: Metrics): MiddlewareObj[] {
  return [
    captureLambdaHandler(new Tracer(), { captureResponse: false }),
    injectLambdaContext(logger),
    published(metrics),
  ] as MiddlewareObj[];
}

/** Powertools' own middleware warns whenever an invocation has nothing to count, which most have not. */
function published(metrics: Metrics): MiddlewareObj {
  const publish = () => {
    if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
  };
  return {
    before: ({ context }) => metrics.captureColdStartMetric(context.functionName),
    after: publish,
    onError: publish,
  };
}

const asLog = (logger: Logger): Log => ({
  debug: (message, data = {}) => logger.debug(message, { data }),
  info: (message, data = {}) => logger.info(message, { data }),
  warn: (message, data = {}) => logger.warn(message, { data }),
  error: (message, data = {}) => logger.error(message, { data }),
});
