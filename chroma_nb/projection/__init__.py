"""Maps of the embedding space, and what else vectors show: duplicates, outliers, quality of search.

Everything reads a collection through its public methods alone, so ours, a server's and chromadb's own
serve alike. Widgets stand in ``jupyter/widgets``.
"""
