"""Use cases that move committed objects through a stage and its checks into a table."""
