"""Weaving: the worker behind the webhook, and the same on one machine without AWS."""
