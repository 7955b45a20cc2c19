"""Runs a plan on this machine, by the semantics of docs/decisions/0007-plan.md."""
