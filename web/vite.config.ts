// One page below /ui/: hashed names, no inlined script or style, and a compressed sibling of each text for servestatic.
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** Scripts of the first page: what all pages have, the overview with its charts, and what loads others. */
const FIRST = new RegExp(
  "vite/preload-helper|node_modules/@?preact|src/(main|api/|state/|time/|format/|pages/(index|overview)|parts/(?!data_table|sorting|choice)" +
  "|charts/(area|axes|bars|brush|cursor|figure|hatch|incomplete|plain_line|ranged|rows|sized|spark|table|ticks|types)\\.)",
);
const COMPRESSED = /\.(js|css|html|svg)$/;

/** Writes `.br` and `.gz` beside each text. Neither format bears a time here, so two builds give equal bytes. */
function compressed(): Plugin {
  return {
    name: "compressed",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        for (const file of Object.values(bundle)) {
          if (!COMPRESSED.test(file.fileName)) continue;
          const body = Buffer.from(file.type === "chunk" ? file.code : file.source);
          const brotli = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
          this.emitFile({ type: "asset", fileName: `${file.fileName}.br`, source: brotli });
          this.emitFile({ type: "asset", fileName: `${file.fileName}.gz`, source: gzipSync(body, { level: 9 }) });
        }
      },
    },
  };
}

export default defineConfig({
  base: "/ui/",
  // The build that made it: a page that hears another one in `Tidegauge-Build` offers to reload.
  define: { __BUILD__: JSON.stringify(process.env.TIDEGAUGE_BUILD ?? "unknown") },
  build: {
    target: "es2022",
    outDir: "../services/gateway/ui",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      checks: { pluginTimings: false },
      // A request costs a slow phone 150 ms, and gzip sees more of a longer file: the first page is one, what others share
      // another, and pages that one goes to and fro between are together.
      output: { codeSplitting: { includeDependenciesRecursively: false, groups: [
        { name: "first", test: FIRST, priority: 3 },
        { name: "line", test: /uplot|charts\/line/, priority: 2 },
        { name: "shared", test: /src\/(parts|summaries|charts)\//, priority: 1 },
        { name: "analysis", test: /src\/pages\/(vitals|latency|errors|funnels)[./]/ },
        { name: "system", test: /src\/pages\/(pipeline|connect|keys)[./]/ },
      ] } },
    },
  },
  plugins: [compressed()],
});
