"""Networks of lava-dl and SLAYER-Loihi: their files, and what they become."""
