"""Transactions: running them, writing, staging, forks, compaction, maintenance, verification."""
