// The API key of this browser tab: it comes from the address's fragment or the header editor, and stays in sessionStorage.
const ITEM = "profiles:key";
const KEY = /^cp_[\w-]+$/;
export const PLACEHOLDER = "<your key>";

export const currentKey = () => sessionStorage.getItem(ITEM);
export const forgetKey = () => sessionStorage.removeItem(ITEM);

/** Takes `#key=cp_…` out of the address bar, so that it gets neither into history nor into a copied link. */
export function takeKeyFromAddress() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  if (KEY.test(key)) sessionStorage.setItem(ITEM, key);
}

/** Keeps the key that stands in the text of the header editor; returns it when it is a new one. */
export function keepKeyOf(headersText) {
  const key = keyOf(headersText);
  if (key === null || key === currentKey()) return null;
  sessionStorage.setItem(ITEM, key);
  return key;
}

/** What the header editor of a fresh tab holds. */
export const headersText = () => JSON.stringify({ Authorization: `App ${currentKey() ?? PLACEHOLDER}` }, null, 2);

function keyOf(text) {
  let headers;
  try {
    headers = JSON.parse(text);
  } catch {
    return null; // half typed
  }
  const entry = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === "authorization");
  const [, key] = /^(?:App|Bearer)\s+(\S+)$/i.exec(entry?.[1]) ?? [];
  return key !== undefined && KEY.test(key) ? key : null;
}
