"""Profiles of a table: what its columns hold, as a document, as text and as a page for people."""
