"""Draws the pictures of the docs from templates and sources: `python -m src.drawing` writes docs/images/*.svg."""
