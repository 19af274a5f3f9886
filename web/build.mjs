// Bundles the GraphiQL page and Monaco's workers into app/web/static/graphiql.
// Entry names are fixed; everything else carries a hash in its name and may be cached for ever.
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
const outdir = fileURLToPath(new URL("../app/web/static/graphiql", import.meta.url));

// graphiql/style.css already holds Monaco's rules; the sheets of lazily loaded chunks would never be asked for.
const monacoStyles = {
  name: "monaco-styles",
  setup(bundle) {
    bundle.onLoad({ filter: /monaco-editor[\\/]esm[\\/].*\.css$/ }, () => ({ contents: "", loader: "empty" }));
  },
};

await rm(outdir, { recursive: true, force: true });
const result = await build({
  absWorkingDir: root,
  entryPoints: [
    { in: "src/graphiql.jsx", out: "graphiql" },
    { in: "monaco-editor/esm/vs/editor/editor.worker.js", out: "editor.worker" },
    { in: "monaco-editor/esm/vs/language/json/json.worker.js", out: "json.worker" },
    { in: "monaco-graphql/esm/graphql.worker.js", out: "graphql.worker" },
  ],
  outdir,
  entryNames: "[name]",
  chunkNames: "chunk-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  format: "esm",
  splitting: true,
  target: "es2022",
  jsx: "automatic",
  minify: true,
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".ttf": "file", ".woff2": "file" },
  plugins: [monacoStyles],
  metafile: true,
  logLevel: "warning",
});
const bytes = Object.values(result.metafile.outputs).reduce((sum, file) => sum + file.bytes, 0);
console.log(`GraphiQL: ${Object.keys(result.metafile.outputs).length} files, ${(bytes / 1e6).toFixed(1)} MB`);
