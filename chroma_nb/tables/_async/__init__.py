"""The calls of a collection that move a table in or out: of ours, over HTTP, and of chromadb's own."""
