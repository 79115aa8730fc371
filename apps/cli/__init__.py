"""Parts that every command shares: options, units, errors, output, signals."""
