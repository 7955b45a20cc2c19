"""What raises events: one file per kind, each with its settings, its fault texts and its loop; none knows another."""
