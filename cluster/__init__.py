"""Where jobs run: clusters, the driver, progress and results."""
