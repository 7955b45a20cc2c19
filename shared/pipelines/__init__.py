"""Pipeline definitions: read, checked, made a plan, drawn, compiled for engines and run here."""
