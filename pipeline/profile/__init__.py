"""What a version's columns hold: sketches that merge, computed block by block."""
