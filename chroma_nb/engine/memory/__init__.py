"""A collection in memory: its rows, its metadata columns, and how they follow the database."""
