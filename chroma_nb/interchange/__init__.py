"""Files of other formats: Chroma directories, Parquet, JSON Lines, Arrow."""
