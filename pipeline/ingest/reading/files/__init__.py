"""Inputs as files: found, opened, unpacked."""
