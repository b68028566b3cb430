"""Text files: their encoding, their format, their dialect, settled before anything is parsed."""
