"""Values, errors, ports and formats that every other room speaks in; no I/O and no third-party client."""
