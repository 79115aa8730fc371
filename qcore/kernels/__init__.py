"""The compiled integer kernels."""
