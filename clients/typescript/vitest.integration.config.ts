import { defineConfig } from "vitest/config";

// Each file starts a server, so the files run one at a time. The timeouts allow for slow machines.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
