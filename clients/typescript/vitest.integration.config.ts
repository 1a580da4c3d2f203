import { defineConfig } from "vitest/config";

// A real server for each file: one file at a time, and patience for slow machines.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
