"""Datasets, versions, models and queries over one directory."""
