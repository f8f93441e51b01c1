"""What a filter means: a condition becomes a mask over rows."""
