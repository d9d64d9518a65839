"""Checks, one file each, found by name. A new one is a new file: `SETTINGS` and `make`, as `CheckModule` says."""
