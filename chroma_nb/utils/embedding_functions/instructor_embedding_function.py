"""Chroma's path ``chromadb.utils.embedding_functions.instructor_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.sentence_models import InstructorEmbeddingFunction

__all__ = [
    "InstructorEmbeddingFunction",
]
