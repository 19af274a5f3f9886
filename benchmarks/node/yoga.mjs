// GraphQL Yoga on node:http, documents compiled by the GraphQL JIT plugin of Envelop.

import { createServer } from "node:http";

import { useGraphQlJit } from "@envelop/graphql-jit";
import { GraphQLScalarType } from "graphql";
import { createSchema, createYoga } from "graphql-yoga";

import { compilerOptions, host, port, resolvers, typeDefs } from "./service.mjs";

const DateTime = new GraphQLScalarType({ name: "DateTime", serialize: (value) => value.toISOString() });

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers: { ...resolvers, DateTime } }),
  plugins: [useGraphQlJit(compilerOptions)],
  // What nobody here asks for: a log, pages for people, other origins, uploads.
  logging: false,
  graphiql: false,
  landingPage: false,
  cors: false,
  multipart: false,
});
createServer(yoga).listen(port, host);
