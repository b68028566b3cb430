"""Ways to get a Dask cluster: one module a kind."""
