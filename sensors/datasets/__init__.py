"""Folders of labelled recordings."""
