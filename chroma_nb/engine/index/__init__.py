"""The indexes, exact and HNSW, over vectors by slot. They know no collection and no database."""
