"""Live state, scenes and pictures for a terminal."""
