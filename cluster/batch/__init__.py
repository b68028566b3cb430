"""Batch systems: scripts for them, and asking them about jobs."""
