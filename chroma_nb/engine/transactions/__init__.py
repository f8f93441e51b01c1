"""What one transaction does: writing, staging, compaction, verification."""
