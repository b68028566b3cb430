"""The report of a run: in the terminal, and as one HTML page that needs nothing else."""
