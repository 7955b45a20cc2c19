"""The table of types in the documentation is what the adapters do."""

from __future__ import annotations

from shared.warehouse.type_table import DOCUMENT, with_table


def test_the_document_has_the_table_of_today() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")

    assert document == with_table(document), (
        'python -c "from shared.warehouse.type_table import write; write()"'
    )
