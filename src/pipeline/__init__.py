"""Runs pipelines on this machine: what does the work of each kind of step, and a run from its beginning to its end."""
