"""Live: one feed of recorded events per process, and the hub of those who follow it."""
