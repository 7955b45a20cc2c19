"""What events lead to: one file per kind, each with its settings and how it runs; none knows another."""
