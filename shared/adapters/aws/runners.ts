/**
 * What remote workflows need of AWS: invoking Lambda functions, and reading the secrets that turns are signed with.
 * The SDK's clients are loaded by the first call, since most hosts never make one.
 */
import type { AwsAccess } from "../local/runners.ts";

type Environment = Record<string, string | undefined>;

export function awsAccess(env: Environment): AwsAccess {
  let loading: Promise<AwsAccess> | undefined;
  const loaded = () => {
    loading ??= import("./invocations.ts").then(({ Invocations }) => new Invocations(env));
    return loading;
  };
  return {
    invoke: async (name, turn, signal) => (await loaded()).invoke(name, turn, signal),
    secret: async (secretId) => (await loaded()).secret(secretId),
  };
}
