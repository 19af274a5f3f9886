// Queries and mutations go by HTTP, subscriptions by graphql-transport-ws; both to /graphql of this origin.
import { getOperationAST, parse } from "graphql";
import { createClient } from "graphql-ws";
import { currentKey } from "./key.js";

const HTTP_URL = new URL("/graphql", location.origin).href;
const SOCKET_URL = HTTP_URL.replace(/^http/, "ws");

export function fetcher(given, { headers } = {}) {
  const params = named(given);
  return isSubscription(params) ? subscription(params, headers ?? {}) : post(params, headers ?? keyHeaders(params));
}

/** Right after a change of tabs GraphiQL still names the last tab's operation: a document's only operation needs no name. */
function named(params) {
  try {
    const operations = parse(params.query).definitions.filter(({ kind }) => kind === "OperationDefinition");
    return operations.length === 1 ? { ...params, operationName: operations[0].name?.value } : params;
  } catch {
    return params; // the server says what is wrong with it
  }
}

/** The schema is asked for before the header editor is there. */
function keyHeaders({ operationName }) {
  const key = currentKey();
  return operationName === "IntrospectionQuery" && key !== null ? { Authorization: `App ${key}` } : {};
}

function isSubscription({ query, operationName }) {
  try {
    return getOperationAST(parse(query), operationName)?.operation === "subscription";
  } catch {
    return false; // the server says what is wrong with it
  }
}

async function post(params, headers) {
  const response = await fetch(HTTP_URL, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json;q=0.9",
      ...headers,
    },
    body: JSON.stringify(params),
  });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${response.status} ${response.statusText}: ${text.slice(0, 500)}`.trim());
  }
}

const socket = { client: null, headers: null };

/** One connection for as long as the headers stay the same: they are its credentials. */
function clientFor(headers) {
  const text = JSON.stringify(headers);
  if (socket.client === null || socket.headers !== text) {
    socket.client?.dispose();
    socket.client = createClient({ url: SOCKET_URL, connectionParams: headers });
    socket.headers = text;
  }
  return socket.client;
}

function subscription(params, headers) {
  return {
    subscribe({ next, error, complete }) {
      const sink = { next, complete, error: (reason) => error(readable(reason)) };
      return { unsubscribe: clientFor(headers).subscribe(params, sink) };
    },
  };
}

function readable(reason) {
  if (!(reason instanceof CloseEvent)) return reason;
  return new Error(`The socket closed with ${reason.code} ${reason.reason}`.trim());
}
