/** `stepfold` as a person types it, against a host of the test's own. */
import { afterAll, beforeAll } from "vitest";
import { type Client, createClient } from "../../shared/client/index.ts";
import { type Ended, run } from "../host/command.ts";
import { localHost } from "../support/local-host.ts";
import { all } from "./workflows.ts";

export interface Cli {
  readonly url: string;
  readonly client: Client;
  /** Ends with its exit code and what it wrote. */
  stepfold(...args: string[]): Promise<Ended>;
  stepfoldWith(options: { env?: Record<string, string>; input?: string }, ...args: string[]): Promise<Ended>;
}

/** For every test of the file that calls it. */
export function cliOnHost(): Cli {
  let url = "";
  let close = async (): Promise<void> => {};
  beforeAll(async () => {
    ({ url, close } = await localHost(all));
  });
  afterAll(() => close());
  const cli: Cli = {
    get url() {
      return url;
    },
    get client() {
      return createClient({ url });
    },
    stepfold: (...args) => cli.stepfoldWith({}, ...args),
    stepfoldWith: ({ env, input }, ...args) => run(args, { STEPFOLD_URL: url, ...env }, input),
  };
  return cli;
}

/** Every time and length of time is `T`, so that nothing depends on them. */
export const timeless = (text: string): string =>
  text
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "T")
    .replace(/\d\d:\d\d:\d\d\.\d{3}/g, "T")
    .replace(/\d+(\.\d+)? (ms|s|min|h|d)( \d+ (s|min|h))?/g, "T")
    .replace(/T ago|now/g, "T")
    .replace(/━+ */g, "━ ");
