"""HDF5 files of events, of every layout in which four columns can be told."""
