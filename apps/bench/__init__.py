"""Benchmarks: commands whose figures the documentation quotes."""
