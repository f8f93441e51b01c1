"""Maps of the embedding space."""
