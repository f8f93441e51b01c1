"""Chroma's path ``chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.onnx_minilm import ONNXMiniLM_L6_V2

__all__ = [
    "ONNXMiniLM_L6_V2",
]
