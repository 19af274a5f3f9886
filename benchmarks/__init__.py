"""Measures what a request costs: a bare driver, plain Strawberry, and this service, side by side on one real mongod."""
