"""The HTTP edge: routes, keys, websocket, health."""
