"""From input files to clean rows with a fate each."""
