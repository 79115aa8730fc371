"""Work spread over processes and machines with Dask."""
