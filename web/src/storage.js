// What GraphiQL remembers between visits: tabs, history, layout. Never a header, for headers hold keys.
import { currentKey, forgetKey, headersText } from "./key.js";

const PREFIX = "graphiql:";
const HEADERS = "graphiql:headers";
const TABS = "graphiql:tabState";
const HISTORY = new Set(["graphiql:queries", "graphiql:favorites"]);
const WITH_HEADERS = new Set([...HISTORY, TABS]);
/** What the editors hold is kept a little earlier than the tabs: a reload in between would find a tab too few. */
const OF_A_TAB = new Map([
  ["graphiql:query", "query"],
  ["graphiql:variables", "variables"],
]);

function own() {
  return Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
}

/** The JSON text with the value of each `headers` replaced (undefined leaves it out); null where it is no JSON. */
function withHeaders(text, replacement) {
  try {
    return JSON.stringify(JSON.parse(text), (name, value) => (name === "headers" ? replacement : value));
  } catch {
    return null;
  }
}

/** What the active tab holds of what is kept beside it; undefined where no tabs are kept. */
function ofActiveTab(field) {
  try {
    const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem(TABS));
    return tabs[activeTabIndex][field];
  } catch {
    return undefined;
  }
}

export const storage = {
  getItem(name) {
    if (name === HEADERS) return null;
    const active = OF_A_TAB.has(name) ? ofActiveTab(OF_A_TAB.get(name)) : undefined;
    if (active !== undefined) return active;
    const text = localStorage.getItem(name);
    if (text === null || !WITH_HEADERS.has(name)) return text;
    // A recalled operation runs with the key of this session.
    return HISTORY.has(name) ? recalled(text) : withHeaders(text, null);
  },
  setItem(name, text) {
    if (name === HEADERS) return;
    const kept = WITH_HEADERS.has(name) ? withHeaders(text, name === TABS ? null : undefined) : text;
    if (kept === null) localStorage.removeItem(name);
    else localStorage.setItem(name, kept);
  },
  removeItem(name) {
    localStorage.removeItem(name);
  },
  get length() {
    return own().length;
  },
  clear() {
    own().forEach((name) => localStorage.removeItem(name));
    forgetKey();
  },
};

function recalled(text) {
  const [name, items] = Object.entries(JSON.parse(text))[0] ?? ["queries", []];
  const headers = currentKey() === null ? undefined : headersText();
  return JSON.stringify({ [name]: items.map((item) => ({ ...item, headers })) });
}

/** Removes headers that another GraphiQL left in the storage of this origin. */
export function scrub() {
  localStorage.removeItem(HEADERS);
  for (const name of WITH_HEADERS) {
    const text = localStorage.getItem(name);
    if (text !== null) storage.setItem(name, text);
  }
}
