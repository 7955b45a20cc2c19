"""What the outputs of a step cannot be, as far as the definition alone shows it: files of one form at one place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.common.places import Key
from shared.pipelines.work import Ingest, Ref, Store, Transform, Write

_PACKED = re.compile(r"\.(gz|bz2|xz|zst|zip|br|lz4|snappy)$", re.IGNORECASE)


def output_faults(work: Ingest | Transform) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Faults of a step's outputs: the path to the key that has to change, and what is wrong."""
    if isinstance(work, Transform) and len(work.outputs) > 1:
        yield ("outputs", 1), "a transformation has one output; make a step for each"
    if isinstance(work, Transform) and not work.outputs:
        for number, ref in enumerate(work.inputs):
            if ref.store in (Store.FILE, Store.S3):
                yield (
                    ("inputs", number),
                    "files are read on the way to an output, and this step has none; give it one",
                )
    for number, ref in enumerate(work.outputs):
        if ref.store not in (Store.FILE, Store.S3) or not ref.path or ref.table:
            continue
        for text in (path_fault(ref), _kind_fault(work, ref)):
            if text:
                yield ("outputs", number, "path"), text


def path_fault(ref: Ref) -> str:
    """What is wrong with the path of an output of files; empty when nothing is."""
    if "*" in ref.path:
        return f"{ref.path} is a pattern, and an output is one file, or a folder (with / at its end)"
    packed = _PACKED.search(ref.path)
    if packed is None:
        return ""
    if packed.group(1).lower() != "gz":
        return f"{ref.path} says {packed.group(1)}, and files are packed by gzip only: .csv.gz, .jsonl.gz"
    plain = ref.path[: packed.start()].lower()
    if (ref.format or plain.rpartition(".")[2]).lower() == "parquet":
        return f"{ref.path}: Parquet is packed inside, and has no gzip around it; call it .parquet"
    return ""


def _kind_fault(work: Ingest | Transform, ref: Ref) -> str:
    if ref.path.endswith("/"):
        return ""
    if isinstance(work, Ingest):
        return f"an ingestion adds files, and {ref.path} is one; give it a folder, with / at its end"
    if work.write is Write.APPEND:
        return f"nothing is appended to the file {ref.path}; give it a folder, with / at its end"
    return ""
