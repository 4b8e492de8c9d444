"""Long days: random actions, many browsers, and what the server holds meanwhile."""
