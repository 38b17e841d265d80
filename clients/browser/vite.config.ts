// Two files: a module for bundlers, and a script that starts by the attributes of its tag. Vendors are bundled.
import { defineConfig } from "vite";

export default defineConfig(({ mode }) => ({
  build: {
    emptyOutDir: false,
    target: "es2022",
    lib:
      mode === "script"
        ? { entry: "src/script.ts", formats: ["iife"], name: "tidegauge", fileName: () => "tidegauge.js" }
        : { entry: "src/index.ts", formats: ["es"], fileName: () => "tidegauge.mjs" },
    minify: true,
  },
}));
