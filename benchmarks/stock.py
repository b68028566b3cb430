"""Environments of peers that textmill itself stands on: each its own, in the versions that textmill runs with."""

from benchmarks.harness.environments import of_own_versions

DUCKDB = of_own_versions("duckdb", "duckdb", "numpy", "pyarrow")
DELTA_LAKE = of_own_versions("deltalake", "deltalake", "pyarrow")
PANDAS = of_own_versions("pandas", "numpy", "pandas", "pyarrow", "scikit-learn")
DASK = of_own_versions("dask", "dask", "dask-ml", "distributed", "numpy", "pandas", "pyarrow", "scikit-learn")
