import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["stepfold-source"] },
  ssr: { resolve: { conditions: ["stepfold-source"] } },
  test: {
    include: ["test/e2e/**/*.e2e.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
