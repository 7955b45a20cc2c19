"""The Lambda app that loads what has landed."""
