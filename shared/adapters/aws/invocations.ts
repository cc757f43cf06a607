/**
 * Lambda functions as runners, and Secrets Manager.
 *
 * 1. A function is invoked with the turn as its event; what it returns is the answer. The turn's id is in the client
 *    context, `custom["webhook-id"]`. One that throws or times out has not answered.
 * 2. A secret is read anew after `SECRET_MS`; while it cannot be, the one that is known is used.
 */
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { StepfoldError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { LEG_MS_MAX, TURN_BYTES_MAX } from "../../core/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Turn } from "../../ports/runners.ts";
import { answerTooLarge, checkStatus, jsonAnswer, unavailable } from "../common/runners.ts";
import { systemClock } from "../local/clock.ts";
import type { AwsAccess } from "../local/runners.ts";
import { endpointOf, within } from "./clients.ts";
import type { AwsError } from "./retry.ts";

const SECRET_MS = 5 * 60_000;
const SECRET_TIMEOUT_MS = 5_000;

export interface InvocationOverrides {
  lambda?: LambdaClient;
  secrets?: SecretsManagerClient;
  clock?: Pick<Clock, "now">;
}

export class Invocations implements AwsAccess {
  readonly #lambda: LambdaClient;
  readonly #secrets: SecretsManagerClient;
  readonly #clock: Pick<Clock, "now">;
  readonly #known = new Map<string, { text: string; readAt: number }>();

  constructor(env: Record<string, string | undefined>, overrides: InvocationOverrides = {}) {
    // A turn is tried again by the run, which counts it.
    this.#lambda =
      overrides.lambda ??
      new LambdaClient({ ...within(LEG_MS_MAX), maxAttempts: 1, ...endpointOf(env, "LAMBDA") });
    this.#secrets =
      overrides.secrets ??
      new SecretsManagerClient({ ...within(SECRET_TIMEOUT_MS), ...endpointOf(env, "SECRETS_MANAGER") });
    this.#clock = overrides.clock ?? systemClock;
  }

  async invoke(name: string, { id, body }: Turn, signal: AbortSignal): Promise<Json> {
    const custom = { custom: { "webhook-id": id } };
    const command = new InvokeCommand({
      FunctionName: name,
      Payload: Buffer.from(body),
      ClientContext: Buffer.from(JSON.stringify(custom)).toString("base64"),
    });
    const answer = await this.#lambda.send(command, { abortSignal: signal }).catch((error: unknown) => {
      throw failure(error);
    });
    if (answer.FunctionError !== undefined)
      throw unavailable(`its function failed (${answer.FunctionError})`);
    const payload = answer.Payload ?? new Uint8Array();
    if (payload.byteLength > TURN_BYTES_MAX) throw answerTooLarge();
    return jsonAnswer(Buffer.from(payload).toString("utf8"));
  }

  async secret(secretId: string): Promise<string> {
    const known = this.#known.get(secretId);
    const now = this.#clock.now();
    if (known !== undefined && now - known.readAt < SECRET_MS) return known.text;
    try {
      const { SecretString } = await this.#secrets.send(new GetSecretValueCommand({ SecretId: secretId }));
      if (!SecretString) throw unavailable("the secret that its turns are signed with holds no text");
      this.#known.set(secretId, { text: SecretString, readAt: now });
      return SecretString;
    } catch (error) {
      if (known !== undefined) return known.text;
      if (error instanceof StepfoldError) throw error;
      throw unavailable(
        `the secret that its turns are signed with could not be read (${(error as Error).name})`,
      );
    }
  }
}

/** A status by which Lambda refused the invocation says as much as one of an HTTP runner. */
function failure(error: unknown): StepfoldError {
  const { $metadata, name } = error as AwsError;
  const status = $metadata?.httpStatusCode;
  try {
    if (status !== undefined) checkStatus(status);
  } catch (classified) {
    return classified as StepfoldError;
  }
  return unavailable(`it could not be invoked (${name})`);
}
