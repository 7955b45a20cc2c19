"""`python -m src.drawing`: write docs/images/*.svg."""

from __future__ import annotations

from pathlib import Path

from src.drawing.pictures import PICTURES

IMAGES = Path(__file__).parents[2] / "docs" / "images"

if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        (IMAGES / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")
