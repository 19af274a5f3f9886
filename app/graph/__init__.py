"""The GraphQL edge: it translates, and nothing else."""
