"""Delimited text: its dialect, where records begin, and its fields as columns."""
