import { defineConfig } from "vitest/config";
import dashboard from "./vite.config.ts";

// A real server and a real browser: one file at a time, with long timeouts.
export default defineConfig({
  resolve: { alias: dashboard.resolve?.alias ?? {} },
  test: {
    include: ["e2e/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
