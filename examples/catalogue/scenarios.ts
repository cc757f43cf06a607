/** A catalogue whose journal is kept. */
import type { Example } from "../triad.ts";
import { catalogue, fileImport } from "./workflow.ts";

const file = (name: string, ...lines: string[]) => ({ name, lines });
export const files = [
  file("a", "kettle;19.90", "pan;25"),
  file("b", "broken"),
  file("c", "cup;3.50"),
  file("d", "pot;8"),
];

export const example: Example = {
  workflows: [catalogue, fileImport],
  scenarios: {
    "v1-imported": {
      async play(host) {
        const runId = await host.start(catalogue, files);
        await host.skip("5m");
        return { runId };
      },
    },
  },
};
