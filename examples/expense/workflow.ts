/**
 * An approval with a timeout and an escalation: the manager has two days, then the director has three more.
 *
 * 1. A gate waits for a person and costs nothing meanwhile; its timeout is an error to catch, by its code.
 * 2. Whoever decides first decides. Silence to the end is a no.
 */
import { OperationError, type RunContext, workflow } from "stepfold";
import { z } from "zod";

const Expense = z.strictObject({ employee: z.string().min(1), euros: z.number().positive() });

const chain = [
  { role: "manager", within: "2 days" },
  { role: "director", within: "3 days" },
];

export const expense = workflow(
  "expense",
  { description: "Has an expense approved, by the director if the manager is silent.", input: Expense },
  async (run, { employee, euros }) => {
    for (const { role, within } of chain) {
      run.setState({ awaiting: role });
      const verdict = await decision(run, role, `${employee} spent ${euros} €. Approve?`, within);
      if (verdict === undefined) continue;
      run.setState({ awaiting: null });
      return { approved: verdict.approved, role, by: verdict.by ?? null };
    }
    return { approved: false, role: null, by: null };
  },
);

/** Nothing if nobody decided in time. */
async function decision(run: RunContext, role: string, prompt: string, timeout: string) {
  try {
    return await run.gate(role, { prompt, timeout });
  } catch (error) {
    if (error instanceof OperationError && error.code === "GateTimeout") return undefined;
    throw error;
  }
}
