"""The Chroma API as data: requests, and how arguments become them. No I/O."""
