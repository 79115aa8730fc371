"""The network: specification, state, batches, model files."""
