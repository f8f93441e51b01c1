"""What is on the disk: SQLite's database, the files of vectors, and the directory that holds them."""
