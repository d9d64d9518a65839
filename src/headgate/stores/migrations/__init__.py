"""The control store's schema, one step per file in `versions/`."""
