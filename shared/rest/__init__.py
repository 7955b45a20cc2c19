"""Talking to HTTP APIs: requests as values, pagination, auth, retries and the transport."""
