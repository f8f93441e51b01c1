"""Widgets for notebooks: the browser, the explorer, and what they share."""
