"""The only door to the driver: three stores behind one engine, chunks, units, watch, indexes."""
