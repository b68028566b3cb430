"""Columns: their types, casting, and one schema over all files."""
