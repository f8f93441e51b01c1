"""Other people's files: Chroma directories, Parquet, JSON Lines, Arrow."""
