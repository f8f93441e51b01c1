"""Widgets: the browser and what it shares with the explorer."""
