"""The query language: conditions, ranking expressions, searches, and their JSON. What they mean is the engine's."""
