"""The notebook side: extension, magics, displays, widgets."""
