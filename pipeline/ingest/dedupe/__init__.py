"""Deduplication: exact by 128-bit keys in hash-partitioned files, near by MinHash and verified by exact Jaccard."""
