"""Events: recorded once for ever, paged both ways."""
