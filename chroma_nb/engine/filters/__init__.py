"""Filters: conditions are evaluated to masks over rows."""
