"""The library under every app: rooms on floors, and imports only go down."""
