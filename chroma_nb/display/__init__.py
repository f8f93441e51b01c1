"""How results, collections and clients look in a notebook: pure functions from values to HTML."""
