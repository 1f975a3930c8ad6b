"""The engine: calls in, explained alerts out; plain Python over `audio`."""
