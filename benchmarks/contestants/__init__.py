"""One module per contestant; its `prepare()` loads and builds everything and returns what is timed."""
