/** What may be set beside the resources: settings by environment variable, in milliseconds. */
import { StepfoldError } from "../shared/core/errors.ts";
import type { Settings } from "../shared/engine/settings.ts";

export const SETTINGS_ENVIRONMENT = {
  legMs: "STEPFOLD_LEG_MS",
  messageDelayMsMax: "STEPFOLD_MESSAGE_DELAY_MAX_MS",
  sweepAfterMs: "STEPFOLD_SWEEP_AFTER_MS",
} as const satisfies Partial<Record<keyof Settings, string>>;

/** Only what is set. Throws `ConfigurationInvalid`. */
export function settingsFrom(env: Record<string, string | undefined>): Partial<Settings> {
  const settings: Partial<Record<keyof typeof SETTINGS_ENVIRONMENT, number>> = {};
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
