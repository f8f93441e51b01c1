"""Chroma's path ``chromadb.utils.embedding_functions``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions import __all__ as __all__
from chroma_nb.embedding_functions import __dir__ as __dir__
from chroma_nb.embedding_functions import __getattr__ as __getattr__
