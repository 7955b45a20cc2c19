"""Checks of a table: one aggregate query in the warehouse's own dialect, and a verdict that says what it found."""
