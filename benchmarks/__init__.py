"""Benchmarks of Sluice against the floor that its work has on this machine."""
