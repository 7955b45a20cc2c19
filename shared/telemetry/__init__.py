"""Logs, metrics and alerts: what a run tells the people who watch it."""
