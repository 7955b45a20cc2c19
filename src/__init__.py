"""Entry points: one folder for each Lambda app, the command line, and the settings that wire the rooms."""
