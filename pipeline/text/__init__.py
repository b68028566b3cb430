"""From text to hashed features."""
