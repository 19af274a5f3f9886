// What an operation selects, as a projection for the driver: worked out once for each place in a document that asks.

const FIELDS = { occurredAt: "at", receivedAt: "received", properties: "props" };
const known = new WeakMap();

/** Return the projection for what `info` selects, or for what it selects under the field `inside`. */
export function projection(info, inside) {
  const [place] = info.fieldNodes;
  let found = known.get(place);
  if (found === undefined) {
    const fields = inside ? under(info.fieldNodes, info.fragments).filter(named(inside)) : info.fieldNodes;
    found = shown(under(fields, info.fragments));
    known.set(place, found);
  }
  return found;
}

function named(name) {
  return (field) => field.name.value === name;
}

function shown(fields) {
  const names = fields.map((field) => field.name.value).filter((name) => !name.startsWith("__"));
  const wanted = names.filter((name) => name !== "id" && name !== "timeline").map((name) => [FIELDS[name] ?? name, 1]);
  return Object.fromEntries([["_id", 1], ...wanted]);
}

/** Return the fields that are selected under some fields, fragments written out. */
function under(fields, fragments) {
  return fields.flatMap((field) => flat(field.selectionSet, fragments));
}

function flat(set, fragments) {
  return (set?.selections ?? []).flatMap((one) => {
    if (one.kind === "Field") return [one];
    return flat(one.kind === "FragmentSpread" ? fragments[one.name.value].selectionSet : one.selectionSet, fragments);
  });
}
