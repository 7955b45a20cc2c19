"""The published definitions, or fixtures that cover the same."""

from __future__ import annotations

from tests.shared.pipelines.conftest import samples

__all__ = ["samples"]
