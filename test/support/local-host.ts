/** A host of this process over SQLite, serving HTTP, for tests of what talks to one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localBackend } from "../../cli/host/backend.ts";
import { startHost } from "../../cli/host/host.ts";
import type { AnyWorkflow } from "../../shared/core/workflow.ts";
import { createEngine } from "../../shared/engine/settings.ts";

export interface LocalHost {
  url: string;
  close(): Promise<void>;
}

export async function localHost(workflows: readonly AnyWorkflow[]): Promise<LocalHost> {
  const directory = mkdtempSync(join(tmpdir(), "stepfold-host-"));
  const backend = await localBackend(directory, "me");
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const settings = { owner: "me", codeHash: "test", ...backend.settings };
  const engine = createEngine(backend.ports, { workflows, log, settings });
  const host = await startHost({ engine, port: 0, receivers: 1, isAlone: true });
  const close = async () => {
    await host.close();
    await backend.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { url: host.url, close };
}
