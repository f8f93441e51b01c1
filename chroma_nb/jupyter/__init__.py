"""The notebook as a guest: extension, magics, displays, widgets."""
