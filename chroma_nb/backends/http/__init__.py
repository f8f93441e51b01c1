"""A Chroma server behind the waist: codec, transport, auth."""
