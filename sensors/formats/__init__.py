"""Decoders of recording formats."""
