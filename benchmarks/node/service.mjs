// The schema and what answers it, the same for both servers.

import { readFileSync } from "node:fs";

import { projection } from "./selection.mjs";
import * as store from "./store.mjs";

export const typeDefs = readFileSync(new URL("schema.graphql", import.meta.url), "utf8");
export const port = Number(process.env.BENCH_PORT);
export const host = "127.0.0.1";

// Every value was checked when it was written, so none is checked again on its way out. Strings for JSON can't be
// compiled as well (`customJSONSerializer`): that knows no scalars beyond GraphQL's own five.
export const compilerOptions = { disableLeafSerialization: true };

// A timeline has a length of its own for each person, so a loader would have nothing to gather: a resolver is cheaper.
export const resolvers = {
  Query: {
    person: (_root, { by }, _context, info) => store.personById(by.id, projection(info)),
    persons: (_root, { first }, _context, info) => store.newestPersons(first, projection(info, "nodes")),
  },
  Mutation: {
    createPerson: (_root, { input }) => store.createPerson(input),
    trackEvents: async (_root, { events }) => ({ results: await Promise.all(events.map(store.keepEvent)) }),
  },
  Person: {
    timeline: (person, { first }, _context, info) => store.timelineOf(person.id, first, projection(info, "nodes")),
  },
};
