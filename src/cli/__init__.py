"""The command line: every job of Sluice as a command. `docs/cli.md` is generated from it."""
