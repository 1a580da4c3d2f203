import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `EARCON_URL` points the development server at a running Earcon.
const server = process.env["EARCON_URL"] ?? "http://127.0.0.1:7070";
// From its sources: nothing to build or install first. tsconfig.json says the same to the type checker.
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
