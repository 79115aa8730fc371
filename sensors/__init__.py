"""sensors: events in."""
