"""Prompt formats of others, one file each, found by name (`translate/loading.py`)."""
