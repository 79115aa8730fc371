"""Filters between a source and a network."""
