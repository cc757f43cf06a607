/** Where runs are kept: in a directory of this machine, or in AWS. */
import type { Ports } from "../../shared/engine/parts.ts";
import type { Settings } from "../../shared/engine/settings.ts";

export interface Backend {
  ports: Ports;
  settings: Partial<Settings>;
  receivers: number;
  isAlone: boolean;
  close(): Promise<void>;
}

/** Throws `DataInUse`, `DataTooNew`, `DataUnreadable`. */
export async function localBackend(
  dir: string,
  owner: string,
  tell?: (line: string) => void,
): Promise<Backend> {
  const [{ localPorts }, { awsAccess }] = await Promise.all([
    import("../../shared/adapters/local/index.ts"),
    import("../../shared/adapters/aws/runners.ts"),
  ]);
  const { close, ...ports } = await localPorts({
    dir,
    aws: awsAccess(process.env),
    ...(tell === undefined ? {} : { tell }),
  });
  // The data is held by one process: whoever else has a lease is gone.
  const settings = { isDead: (other: string) => other !== owner };
  return { ports, settings, receivers: 1, isAlone: true, close };
}

const AWS_RECEIVERS = 4;

/** Throws `NoCredentials`, `TableNotFound`, `ConfigurationMissing` and whatever else AWS has to say. */
export async function awsBackend(env: Record<string, string | undefined>): Promise<Backend> {
  const [
    { awsPorts },
    { createClients },
    { configFromEnvironment },
    { ensureResources, isLocal, localConfig },
    { systemClock },
  ] = await Promise.all([
    import("../../shared/adapters/aws/index.ts"),
    import("../../shared/adapters/aws/clients.ts"),
    import("../../shared/adapters/aws/names.ts"),
    import("../../shared/adapters/aws/provision.ts"),
    import("../../shared/adapters/local/clock.ts"),
  ]);
  const clients = createClients(env);
  const isHere = await isLocal(clients.dynamodb);
  // Credentials and the table first: what is wrong with them is the better news.
  const named = await ensureResources(localConfig(env), clients, systemClock);
  const config = isHere ? named : configFromEnvironment(env);
  const close = async () => {
    for (const client of Object.values(clients)) client.destroy();
  };
  return {
    ports: awsPorts(config, { clients }),
    settings: {},
    receivers: AWS_RECEIVERS,
    isAlone: false,
    close,
  };
}
