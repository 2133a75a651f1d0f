import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vitest/config";

// Fixed file names and no shared chunk: Django's static storage does the hashing, and the island shares only types with the page.
export default defineConfig({
  plugins: [tailwindcss()],
  publicDir: false,
  base: "./",
  build: {
    outDir: "../static/dist",
    emptyOutDir: true,
    modulePreload: false,
    target: "es2022",
    license: { fileName: "LICENSES.md" },
    rolldownOptions: {
      // React Flow marks its files for server components; a bundle for the browser has no use for that.
      onLog: (level, log, handle) => log.code !== "MODULE_LEVEL_DIRECTIVE" && handle(level, log),
      input: { app: "src/app/main.ts", topology: "src/topology/index.tsx", styles: "src/styles/app.css" },
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "chunk-[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
  test: { include: ["tests/**/*.test.{ts,tsx}"], environment: "happy-dom" },
});
