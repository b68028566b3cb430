"""Where jobs can run: named sets of settings, and the files they come from."""
