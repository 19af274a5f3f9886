// The documents of persons and events, as `plain` keeps them: the official driver with its own pool and defaults.

import { randomBytes } from "node:crypto";

import { MongoClient } from "mongodb";

const DUPLICATE = 11000;
const NEWEST = { createdAt: -1, _id: -1 };
const LATEST = { at: -1, _id: -1 };
// Kept in memory, as in `plain`.
const DEFINITIONS = { orderPlaced: new Set(["orderNumber", "total"]) };

const client = await new MongoClient(process.env.BENCH_MONGO_URL).connect();
const db = client.db(process.env.BENCH_MONGO_DATABASE);
const [persons, claims, events] = ["persons", "claims", "events"].map((name) => db.collection(name));

function newId(prefix) {
  return prefix + randomBytes(13).toString("hex");
}

function person(row) {
  row.id = row._id;
  return row;
}

function event(row) {
  return {
    id: row._id,
    type: row.type,
    occurredAt: row.at,
    receivedAt: row.received,
    source: row.source,
    properties: row.props,
  };
}

/** Return a page of the rows that were found: one more than was asked for tells whether more follows. */
function page(rows, first, shown) {
  const nodes = rows.slice(0, first).map(shown);
  return { nodes, pageInfo: { hasNextPage: rows.length > first, endCursor: nodes.at(-1)?.id ?? null } };
}

/** Return how many rows are read for a page, all of them in the first answer of the store. */
function reading(first, projection, sort) {
  return { projection, sort, limit: first + 1, batchSize: first + 1 };
}

export async function personById(id, projection) {
  const row = await persons.findOne({ _id: id }, { projection });
  return row && person(row);
}

export async function newestPersons(first, projection) {
  return page(await persons.find({}, reading(first, projection, NEWEST)).toArray(), first, person);
}

export async function timelineOf(id, first, projection) {
  return page(await events.find({ person: id }, reading(first, projection, LATEST)).toArray(), first, event);
}

function happened(id, type, at, props) {
  return { _id: newId("evt_"), person: id, type, at, received: at, source: "API", props };
}

/** Keep claim, person and event in one transaction; a taken email is refused. */
export async function createPerson(input) {
  const at = new Date();
  const row = { _id: newId("per_"), ...input, phones: [], createdAt: at, updatedAt: at, version: 1 };
  const claim = { _id: `email|${row.emails[0].address}`, owner: row._id };
  try {
    await client.withSession((session) =>
      session.withTransaction(async () => {
        await claims.insertOne(claim, { session });
        await persons.insertOne(row, { session });
        await events.insertOne(happened(row._id, "personCreated", at, {}), { session });
      }),
    );
  } catch (error) {
    if (error.code !== DUPLICATE) throw error;
    return { person: null, errors: [{ code: "DUPLICATE_EMAIL" }] };
  }
  return { person: person(row), errors: [] };
}

/** Keep one event, unless its person, its type or one of its properties is unknown. */
export async function keepEvent({ person: { id }, type, properties }) {
  const known = await persons.findOne({ _id: id }, { projection: { _id: 1 } });
  const fields = DEFINITIONS[type];
  if (!known || !fields || !Object.keys(properties).every((name) => fields.has(name))) return { status: "REJECTED" };
  await events.insertOne(happened(id, type, new Date(), properties));
  return { status: "ACCEPTED" };
}
