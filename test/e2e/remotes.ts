/** The remote workflows that are deployed end to end. Where their runners are, the stack tells. */
import { remote } from "stepfold";

export const overHttp = remote("over-http", {
  url: { env: "RUNNER_URL" },
  secret: { secretId: { env: "RUNNER_SECRET" } },
  headers: { "X-Team": "e2e" },
  maxRetries: 1,
  stepTimeout: "5s",
});

export const byLambda = remote("by-lambda", { lambda: { env: "RUNNER_FUNCTION" } });

/** Nobody has granted this one. */
export const notGranted = remote("not-granted", { lambda: { env: "OTHER_FUNCTION" } });
