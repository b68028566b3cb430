"""Measurements: quality and throughput, side by side with other ways to do the same."""
