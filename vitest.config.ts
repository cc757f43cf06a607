import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["stepfold-source"] },
  ssr: { resolve: { conditions: ["stepfold-source"] } },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    exclude: ["test/e2e/**", "node_modules/**"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
