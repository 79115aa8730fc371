"""Topics, subscribers and their bounded queues."""
