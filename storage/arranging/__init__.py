"""How the files of a dataset lie: their sizes, the order of their rows, and when it pays to change that."""
