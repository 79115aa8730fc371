"""`bench decide`: accuracy and delay of temporal smoothing."""
