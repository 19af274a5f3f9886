// Monaco's workers, as module workers of this origin.
const NAMES = { json: "json.worker.js", graphql: "graphql.worker.js" };

globalThis.MonacoEnvironment = {
  getWorker: (_id, label) =>
    new Worker(new URL(NAMES[label] ?? "editor.worker.js", document.querySelector("script[type=module]").src), {
      type: "module",
    }),
};
