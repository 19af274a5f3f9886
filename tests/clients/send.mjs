// Sends the same activity with one of the published clients; each first answer is lost on the way, so that it retries.
// node send.mjs segment|rudder <url> <key>; prints what the service answered.
import { createServer } from "node:http";
import { Analytics } from "@segment/analytics-node";
import Rudder from "@rudderstack/rudder-sdk-node";

const [client, url, key] = process.argv.slice(2);
const answers = [];
const seen = new Map();

async function passed(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const { host, connection, "content-length": length, "transfer-encoding": encoding, ...headers } = request.headers;
  const answer = await fetch(url + request.url, { method: "POST", headers, body: Buffer.concat(parts) });
  const text = await answer.text();
  answers.push({ path: request.url, status: answer.status, text, packed: headers["content-encoding"] ?? "" });
  const tries = (seen.get(request.url) ?? 0) + 1;
  seen.set(request.url, tries);
  // The service has it; the client doesn't know.
  response.writeHead(tries % 2 ? 503 : answer.status, { "content-type": "application/json" }).end(text);
}

const proxy = createServer(passed).listen(0, "127.0.0.1");
await new Promise((resolve) => proxy.once("listening", resolve));
const here = `http://127.0.0.1:${proxy.address().port}`;

const user = { userId: `${client}-1` };
const traits = { email: `${client}@example.com`, firstName: "Ana", plan: "gold" };
const track = { ...user, event: "Product Viewed", properties: { sku: "A1" } };

function all(analytics) {
  analytics.identify({ ...user, traits });
  for (let number = 0; number < 20; number++) analytics.track(track);
  analytics.page({ ...user, name: "Prices", properties: { url: "https://shop.example/prices" } });
  analytics.track({ anonymousId: `${client}-visitor`, event: "productViewed" });
  analytics.group({ ...user, groupId: "acme", traits: { name: "Acme" } });
}

if (client === "segment") {
  const analytics = new Analytics({ writeKey: key, host: here, flushAt: 100, flushInterval: 100 });
  all(analytics);
  await analytics.closeAndFlush({ timeout: 30000 });
} else {
  const analytics = new Rudder(key, { dataPlaneUrl: here, flushAt: 100, flushInterval: 100 });
  all(analytics);
  await analytics.flush();
}
proxy.close();
proxy.closeAllConnections();
console.log(JSON.stringify(answers));
