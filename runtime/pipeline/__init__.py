"""Source to result: queues, ticks, the network task, checkpoints."""
