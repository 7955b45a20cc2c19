"""One adapter per git host, siblings that do not know each other."""
