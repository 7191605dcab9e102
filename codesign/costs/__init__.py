"""What a choice costs: arrays in, arrays out; no file, no solver, no global state."""
