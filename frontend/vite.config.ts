import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vitest/config";

type Part = { type: string; kind?: string; selectors?: Part[][] };

/** Removes the alternatives with `:has()` from a selector; empty if nothing is left. */
function withoutHas(selector: Part[]): Part[] {
  const parts: Part[] = [];
  for (const part of selector) {
    if (part.kind === "has") return [];
    const selectors = part.selectors?.map(withoutHas).filter((one) => one.length > 0);
    if (selectors?.length === 0) return [];
    parts.push(selectors ? { ...part, selectors } : part);
  }
  return parts;
}

// Fixed file names, because Django's static storage adds hashes. No shared chunk, because the island and the page share only types.
export default defineConfig({
  plugins: [tailwindcss()],
  publicDir: false,
  base: "./",
  css: {
    transformer: "lightningcss",
    // With `:has()` in the style sheet, each change of a row makes the browser check all ancestors: with 300 nodes a third
    // of the main thread's time. daisyUI uses it only for markup that is not used here.
    lightningcss: { visitor: { Selector: (selector) => withoutHas(selector as Part[]) as typeof selector } },
  },
  build: {
    outDir: "../static/dist",
    emptyOutDir: true,
    modulePreload: false,
    target: "es2022",
    license: { fileName: "LICENSES.md" },
    rolldownOptions: {
      // React Flow marks its files for server components, which a browser bundle ignores.
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
