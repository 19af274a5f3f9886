// Runs every audit of GraphQL over HTTP that `graphql-http` publishes: node audit.mjs <url> <key>; prints what came out.
import { serverAudits } from "graphql-http";

const [url, key] = process.argv.slice(2);

function fetchFn(address, options = {}) {
  return fetch(address, { ...options, headers: { ...options.headers, authorization: `Bearer ${key}` } });
}

const results = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const { status, reason = "" } = await audit.fn();
  results.push({ id: audit.id, name: audit.name, status, reason });
}
console.log(JSON.stringify(results));
