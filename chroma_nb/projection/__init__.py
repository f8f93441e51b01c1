"""Maps of the embedding space, and other analyses of vectors: duplicates, outliers, quality of search.

Everything reads a collection through its public methods alone, so ours, a server's and chromadb's own all work.
Widgets are in ``jupyter/widgets``.
"""
