"""Decisions: from results every few milliseconds to one steady answer."""
