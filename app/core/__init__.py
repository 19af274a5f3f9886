"""Words everyone speaks, without any I/O: actor, clock, ids, errors, normal forms, pages."""
