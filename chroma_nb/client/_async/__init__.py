"""The client, its collections and the server under them."""
