/** What `import … from "stepfold/testing"` gives: a host on virtual time, and journals to hold code to. */
export type { ScriptedRunner } from "../adapters/memory/runners.ts";
export { everyCrash } from "./every-crash.ts";
export { type GoldenJournal, normalised, recordJournal, replayJournal } from "./golden.ts";
export {
  type RunId,
  type StartOptions,
  TestHost,
  type TestHostOptions,
  testHost,
  type Workflows,
} from "./host.ts";
export type { JournalEvent, OperationView, RunView } from "./inspect.ts";
