"""Dense opponents of `bench core`: the same network in other libraries, on the same spikes."""
