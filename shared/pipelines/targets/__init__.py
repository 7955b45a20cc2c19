"""One compiler per engine: a plan in, artifacts out. Siblings that do not know each other."""
