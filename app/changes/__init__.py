"""The one path that writes profiles: changes are planned in memory and committed in chunks, each once."""
