import { defineConfig } from "vitest/config";

// A real server and a real browser: one file at a time, and patience for slow machines.
export default defineConfig({
  test: {
    include: ["e2e/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
