"""Versions made from a version: rows taken out, exchanged or added, columns changed, files put together."""
