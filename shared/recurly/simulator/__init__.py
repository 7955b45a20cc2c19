"""A simulated Recurly site that answers like the API: for the demo, for tests, and for a look without an account."""
