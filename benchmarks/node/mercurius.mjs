// Mercurius on Fastify, documents compiled by its JIT from the second time on.

import fastify from "fastify";
import mercurius from "mercurius";

import { compilerOptions, host, port, resolvers, typeDefs } from "./service.mjs";

const scalars = { DateTime: { serialize: (value) => value.toISOString() } };

const app = fastify();
app.register(mercurius, { schema: typeDefs, resolvers: { ...resolvers, ...scalars }, jit: 1, compilerOptions });
await app.listen({ host, port });
