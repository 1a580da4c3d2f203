import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `EARCON_URL`: the Earcon server that the development server forwards requests to.
const server = process.env["EARCON_URL"] ?? "http://127.0.0.1:7070";
// The client is built from its sources. tsconfig.json has the same path.
const client = fileURLToPath(new URL("../clients/typescript/src", import.meta.url));

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@earcon/client": `${client}/index.ts` } },
  build: {
    target: "es2022",
    // The server's content security policy allows files, not data: URLs, for scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": { target: server, ws: true } }, fs: { allow: [".", client] } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
