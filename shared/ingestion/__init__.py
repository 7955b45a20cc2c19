"""Use cases that move data from a source to its landing zone."""
