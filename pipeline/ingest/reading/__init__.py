"""Reading: from patterns to blocks of whole records, and from a block to its frame."""
