/** A workflow definition as the API shows it. */
import type { RetryOptions } from "../../core/retry.ts";
import type { Schema } from "../../core/schema.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import type { WorkflowView } from "../schemas/workflows.ts";

/** `versions` has the latest first, and at least one. */
export function workflowView(versions: readonly AnyWorkflow[]): WorkflowView {
  const { name, options, definitionHash, graph, driver, file } = versions[0]!;
  return {
    name,
    description: options.description,
    file,
    versions: versions.map(({ version }) => version),
    driver: driver ?? "code",
    input: jsonSchemaOf(options.input),
    retry: options.retry && retryView(options.retry),
    maxRetries: options.maxRetries,
    stepTimeout: options.stepTimeout,
    timeout: options.timeout,
    definitionHash,
    graph,
  };
}

/** Classes of errors by their names. */
const retryView = ({ nonRetryable, ...rest }: RetryOptions): WorkflowView["retry"] => ({
  ...rest,
  ...(nonRetryable && {
    nonRetryable: [nonRetryable].flat().map((match) => (typeof match === "string" ? match : match.name)),
  }),
});

interface SelfDescribing {
  jsonSchema?: { input(options: { target: string }): unknown };
}

/** By the Standard JSON Schema interface, which not every library has, and not for every schema. */
function jsonSchemaOf(schema: Schema | undefined): unknown {
  try {
    return (schema?.["~standard"] as SelfDescribing | undefined)?.jsonSchema?.input({
      target: "draft-2020-12",
    });
  } catch {
    return undefined;
  }
}
