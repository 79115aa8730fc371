"""Live and recorded sources of events."""
