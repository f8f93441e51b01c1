"""The conversation with a server: written here, its synchronous form generated from it."""
