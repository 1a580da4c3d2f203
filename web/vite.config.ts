import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `EARCON_URL` points the development server at a running Earcon.
const server = process.env["EARCON_URL"] ?? "http://127.0.0.1:7070";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    // The server's content security policy allows files, not data: URLs, for scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": { target: server, ws: true } } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
