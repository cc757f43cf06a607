import { workflow } from "stepfold";

export const greet = workflow("greet", async (run, { name }: { name: string }) => {
  const greeting = await run.step("say", () => `hello ${name}`);
  await run.sleep("pause", "20 ms");
  return { greeting, at: run.now().toISOString() };
});
