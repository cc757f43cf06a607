/** What may be set beside the resources: settings in milliseconds, and the topics and queues with triggers. */
import { StepfoldError } from "../shared/core/errors.ts";
import type { Isolation, Settings } from "../shared/engine/settings.ts";
import type { TriggerSource } from "../shared/engine/trigger.ts";

export const SETTINGS_ENVIRONMENT = {
  legMs: "STEPFOLD_LEG_MS",
  messageDelayMsMax: "STEPFOLD_MESSAGE_DELAY_MAX_MS",
  sweepAfterMs: "STEPFOLD_SWEEP_AFTER_MS",
  blobExpiryMs: "STEPFOLD_BLOB_EXPIRY_MS",
} as const satisfies Partial<Record<keyof Settings, string>>;

/** Whether runs are isolated by owner: `Isolation` as JSON. */
export const ISOLATION_ENVIRONMENT = "STEPFOLD_ISOLATION";

/** Only what is set. Throws `ConfigurationInvalid`. */
export function settingsFrom(env: Record<string, string | undefined>): Partial<Settings> {
  const settings: Partial<Settings> = {};
  const isolation = env[ISOLATION_ENVIRONMENT];
  if (isolation) settings.isolation = isolationOf(isolation);
  for (const [setting, name] of Object.entries(SETTINGS_ENVIRONMENT)) {
    const given = env[name];
    if (given === undefined || given === "") continue;
    if (!/^\d{1,12}$/.test(given))
      throw new StepfoldError(
        "ConfigurationInvalid",
        `Expected ${name} to be a number of milliseconds, got ${JSON.stringify(given)}.`,
      );
    settings[setting as keyof typeof SETTINGS_ENVIRONMENT] = Number(given);
  }
  return settings;
}

function isolationOf(text: string): Isolation {
  try {
    const value = JSON.parse(text) as unknown;
    if (isIsolation(value)) return value;
  } catch {
    // Said below: an isolation that nobody understands must not be none.
  }
  throw new StepfoldError(
    "ConfigurationInvalid",
    `Expected ${ISOLATION_ENVIRONMENT} to be JSON such as {"claim":"sub","admins":{"claim":"groups","value":"admin"}}, got ${JSON.stringify(text)}.`,
  );
}

function isIsolation(value: unknown): value is Isolation {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { claim, admins, ...rest } = value as Record<string, unknown>;
  const isClaim = claim === undefined || (typeof claim === "string" && claim !== "");
  return Object.keys(rest).length === 0 && isClaim && (admins === undefined || areAdmins(admins));
}

function areAdmins(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((arn) => typeof arn === "string" && arn !== "");
  if (typeof value !== "object" || value === null) return false;
  const { claim, value: wanted } = value as Record<string, unknown>;
  return [claim, wanted].every((text) => typeof text === "string" && text !== "");
}

/** JSON of the topics and queues that triggers were declared on. */
export const SOURCES_ENVIRONMENT = "STEPFOLD_TRIGGER_SOURCES";

/** Throws `ConfigurationInvalid`. */
export function sourcesFrom(env: Record<string, string | undefined>): TriggerSource[] {
  const given = env[SOURCES_ENVIRONMENT];
  if (given === undefined || given === "") return [];
  try {
    return JSON.parse(given) as TriggerSource[];
  } catch (cause) {
    const message = `Expected ${SOURCES_ENVIRONMENT} to be JSON, got ${given.slice(0, 200)}.`;
    throw new StepfoldError("ConfigurationInvalid", message, {}, { cause });
  }
}
