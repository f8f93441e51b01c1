"""The query language: conditions, ranking expressions, searches, and their JSON. The engine evaluates them."""
