import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localPorts } from "../../shared/adapters/local/index.ts";
import type { QueueName } from "../../shared/ports/queue.ts";
import { realTime } from "../support/ports.ts";
import { blobsSuite } from "./blobs.suite.ts";
import { clockSuite } from "./clock.suite.ts";
import { journalSuite } from "./journal.suite.ts";
import { queueSuite, VISIBILITY_MS } from "./queue.suite.ts";
import { registersSuite } from "./registers.suite.ts";
import { schedulerSuite } from "./scheduler.suite.ts";

async function open() {
  const dir = await mkdtemp(join(tmpdir(), "stepfold-"));
  const ports = await localPorts({ dir, visibilityMs: VISIBILITY_MS });
  return {
    ...ports,
    advance: realTime,
    deadLetters: async (queue: QueueName) => ports.queue.deadLetters(queue).map((letter) => letter.body),
    close: async () => {
      await ports.close();
      await rm(dir, { recursive: true });
    },
  };
}

journalSuite("local", open, { concurrent: true });
queueSuite("local", open, { concurrent: true });
schedulerSuite("local", open, { concurrent: true });
blobsSuite("local", open, { concurrent: true });
registersSuite("local", open, { concurrent: true });
clockSuite("local", open, { concurrent: true });
