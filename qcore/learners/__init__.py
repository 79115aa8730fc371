"""Learners beside the network: prototypes, rehearsal."""
