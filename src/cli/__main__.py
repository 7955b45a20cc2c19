"""`python -m src.cli`."""

from __future__ import annotations

from src.cli.app import main

if __name__ == "__main__":
    main()
