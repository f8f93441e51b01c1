"""The database: files, transactions, indexes and searching. It knows no client, HTTP or notebook."""
