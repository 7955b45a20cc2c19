"""Drift: what becomes of records with fields that their contract does not declare, or with values of other types.

The usual page has none, which the page checker knows without another look. Only for other pages the records are taken
apart here, and what is to happen is the stream's `contract_mode` (docs/drift.md). Null or nothing where a value was
promised is no drift: the type is not another one, the promise is broken. So is a cursor that cannot be read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from shared.common.errors import Violation
from shared.contracts.contract import Contract
from shared.contracts.page import PageChecker, PageVerdict
from shared.contracts.validate import Fault, pointer_to
from shared.ingestion.drift_mode import ContractMode, Mode
from shared.ingestion.found import MOST_NAMED, UNDECLARED, Found, reason
from shared.ingestion.kinds import Kinds, sayable
from shared.ingestion.loosen import (
    Path,
    accepting,
    declaring,
    is_closed,
    missing,
    opened,
    path_of,
    root_of,
    without,
)
from shared.ingestion.type_faults import parted, paths_of, says_more

MOST_FIELDS = 300
"""New fields beyond this are no fields, but values that stand where names should: no table takes thousands of them."""

_names = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Treated:
    """The verdict on a page after its drift was dealt with. `trimmed` are records as they came, with what they lost."""

    verdict: PageVerdict
    trimmed: Sequence[tuple[bytes, tuple[Fault, ...]]] = ()
    found: Found | None = None


@dataclass(slots=True)
class _Drifted:
    """One record with drift: the fields that are not declared, and faults of type and others."""

    undeclared: tuple[str, ...]
    types: tuple[Fault, ...]
    others: tuple[Fault, ...]


class Drift:
    """The drift of one stream, as one lane sees it; not for several threads.

    `known` is what earlier runs found, from the last commit: fields and the kinds of their values. `hidden` are
    top-level fields that are masked, whose own types no table sees. `flat`: the fields of objects are columns.

    `added` are the fields that become columns, in the order in which they came; `strays` says that fields may land
    which neither the contract nor `added` names.
    """

    def __init__(
        self,
        contract: Contract,
        mode: ContractMode,
        *,
        key_fields: Sequence[str] = (),
        cursor_field: str | None = None,
        hidden: Collection[str] = (),
        flat: bool = False,
        known: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        closed = is_closed(contract)
        self.columns = mode.columns or (Mode.DISCARD_ROW if closed else Mode.KEEP)
        self.types = Mode(mode.data_type)
        self._looks = self.columns is not Mode.KEEP and not (closed and self.columns is Mode.DISCARD_ROW)
        self._key_fields, self._cursor_field = tuple(key_fields), cursor_field
        self._cursor = cursor_field.split(".")[0] if cursor_field else None
        self._kept = frozenset(name.split(".")[0] for name in (*key_fields, cursor_field or "") if name)
        self._hidden, self._flat = frozenset(hidden), flat
        self._columns = {column.name: column for column in contract.columns()}
        refuses = closed and self.columns in (Mode.DISCARD_ROW, Mode.FREEZE)
        self.contract = contract if refuses else opened(contract) if closed else contract
        self._declared = frozenset(root_of(contract).get("properties", {})) | self._kept
        self.added: dict[str, None] = {}
        self._watched: dict[Path, None] = {}
        self._optional: dict[Path, None] = {}
        self._kinds: Kinds | None = None
        self.strays = False
        self._bare = _bare(self._declared)
        if Mode.EVOLVE in (self.columns, self.types) and known:
            self._resume(known)
        self._checker = self._compiled(self.contract)
        self._lenient = self._checker

    def check(self, records: Sequence[bytes]) -> Treated:
        """The verdict on a page. Raises `Violation` naming the fields where the stream's contract is frozen."""
        verdict = self._checker.check(records)
        if verdict.closed:
            return Treated(verdict, found=self._observed(verdict))
        self.strays = self.strays or self.columns in (Mode.KEEP, Mode.EVOLVE)
        drifted = self._drifted(records, verdict)
        if not drifted:
            found = Found()
            if not self._looks:
                found.undeclared.update(self._sampled(records))
            return Treated(verdict, found=self._observed(verdict, found))
        self._refuse_where_frozen(drifted)
        return self._treated(records, verdict, drifted)

    def _treated(
        self, records: Sequence[bytes], verdict: PageVerdict, drifted: Mapping[int, _Drifted]
    ) -> Treated:
        found, rejected = Found(), dict(verdict.rejected)
        trimmed: dict[int, tuple[bytes, tuple[Fault, ...]]] = {}
        for index, one in drifted.items():
            out, lost = self._decided(one)
            if out:
                rejected[index] = out
                continue
            rejected.pop(index, None)
            if lost:
                trimmed[index] = (records[index], lost)
            self._learn(one, found)
        self._relax()
        remaining = [index for index in range(len(records)) if index not in rejected]
        texts = [
            without(records[i], paths_of(trimmed[i][1])) if i in trimmed else records[i] for i in remaining
        ]
        again = self._rechecked(texts)
        for place, faults in again.rejected:
            rejected[remaining[place]] = faults
            trimmed.pop(remaining[place], None)
        for _, faults in trimmed.values():
            found.because(faults)
            found.trimmed += 1
            found.broken += any(fault.keyword != UNDECLARED for fault in faults)
        whole = PageVerdict(again.accepted, tuple(sorted(rejected.items())), again.keys, again.cursors)
        return Treated(whole, list(trimmed.values()), self._observed(whole, found))

    def _rechecked(self, texts: Sequence[bytes]) -> PageVerdict:
        """The page under the relaxed contract; where its rules could not be taken apart, the whole field is opened."""
        verdict = self._lenient.check(texts)
        if self.types is Mode.EVOLVE:
            stuck = {
                path_of(fault.pointer)[:1]
                for place, faults in verdict.rejected
                for fault in self._parted(faults, texts[place])[0]
            }
            if stuck:
                for path in stuck:
                    self.contract = accepting(self.contract, path)
                self._checker = self._lenient = self._compiled(self.contract)
                verdict = self._lenient.check(texts)
        return verdict

    def _drifted(self, records: Sequence[bytes], verdict: PageVerdict) -> dict[int, _Drifted]:
        """The records of a page that have drifted, by their place."""
        rejected, found = dict(verdict.rejected), dict[int, _Drifted]()
        wanted = range(len(records)) if self._looks else rejected
        for index in wanted:
            undeclared = self._undeclared(records[index]) if self._looks else ()
            faults = rejected.get(index, ())
            if self._looks and self.columns in (Mode.DISCARD_ROW, Mode.FREEZE):
                faults = tuple(fault for fault in faults if fault.pointer or not _about_root(fault))
            types, others = self._parted(faults, records[index]) if faults else ((), ())
            if undeclared or types:
                found[index] = _Drifted(undeclared, types, others)
        return found

    def _parted(self, faults: Iterable[Fault], record: bytes) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
        return parted(faults, record, self._columns, cursor=self._cursor)

    def _undeclared(self, record: bytes) -> tuple[str, ...]:
        """The top-level fields of a record that the contract, as it has evolved, does not declare."""
        try:
            self._bare(record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._strangers(record)
        return ()

    def _strangers(self, record: bytes) -> tuple[str, ...]:
        try:
            names = _names.decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ()
        return tuple(name for name in names if name not in self._declared)

    def _sampled(self, records: Sequence[bytes]) -> set[str]:
        """Fields that land and are not loaded: those of the first and the last record: looking must cost nothing."""
        return {name for record in (records[0], records[-1]) for name in self._strangers(record)}

    def _decided(self, one: _Drifted) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
        """The faults that keep a record out, or else those of what it has to lose."""
        strangers = tuple(
            Fault(pointer_to((name,)), UNDECLARED, "the contract does not declare this field")
            for name in one.undeclared
        )
        out, lost = list(one.others), list[Fault]()
        for faults, mode in ((strangers, self.columns), (one.types, self.types)):
            match mode:
                case Mode.DISCARD_ROW:
                    out += faults
                case Mode.DISCARD_VALUE:
                    needed = [fault for fault in faults if path_of(fault.pointer)[0] in self._kept]
                    out += needed
                    lost += [fault for fault in faults if fault not in needed]
        # What keeps a record out is told with all that is wrong with it.
        return ((*out, *lost), ()) if out else ((), tuple(lost))

    def _refuse_where_frozen(self, drifted: Mapping[int, _Drifted]) -> None:
        names = {name for one in drifted.values() for name in one.undeclared}
        types = {reason(fault).partition(" ")[2] for one in drifted.values() for fault in one.types}
        said = []
        if self.columns is Mode.FREEZE and names:
            said.append(f"fields that the contract does not declare: {', '.join(sorted(names)[:MOST_NAMED])}")
        if self.types is Mode.FREEZE and types:
            said.append(
                f"values of another type than the contract says: {', '.join(sorted(types)[:MOST_NAMED])}"
            )
        if said:
            raise Violation(
                f"{len(drifted)} records have {' and '.join(said)}; contract_mode is freeze",
                hint="bring the contract up to date, or set contract_mode to evolve, discard_row or discard_value; "
                "nothing of this page was committed",
            )

    def _learn(self, one: _Drifted, found: Found) -> None:
        """Note what a record that lands has to teach."""
        if one.undeclared and self.columns is Mode.EVOLVE:
            self.added.update(dict.fromkeys(one.undeclared))
            self._watched.update(dict.fromkeys((name,) for name in one.undeclared))
            if len(self.added) > MOST_FIELDS:
                raise Violation(
                    f"more than {MOST_FIELDS} fields are new, the last one is {one.undeclared[-1]!r:.60}: these look "
                    "like values in the place of names",
                    hint="declare the object that they stand in as one field of type json, or set "
                    "contract_mode.columns to keep",
                )
        elif one.undeclared and self.columns is Mode.KEEP:
            found.undeclared.update(one.undeclared)
        for fault in one.types:
            path = path_of(fault.pointer)
            if self.types is Mode.EVOLVE:
                self.contract = accepting(self.contract, path)
                if (len(path) == 1 or self._flat) and path[0] not in self._hidden:
                    self._watched[path] = None
            elif self.types is Mode.DISCARD_VALUE:
                self._optional[path] = None

    def _relax(self) -> None:
        """Bring the checkers up to what was learnt."""
        new: dict[str, Any] = {name: {} for name in self.added if name not in self._declared}
        if new:
            self.contract = declaring(self.contract, new)
            self._declared |= new.keys()
            self._bare = _bare(self._declared)
        if self.contract is not self._checker.contract:
            self._checker = self._compiled(self.contract)
        if self._watched and (self._kinds is None or len(self._watched) != self._kinds.count):
            self._kinds = Kinds(self._watched)
        wanted = missing(self.contract, self._optional) if self._optional else self.contract
        if wanted is self.contract:
            self._lenient = self._checker
        elif wanted != self._lenient.contract:
            self._lenient = self._compiled(wanted)

    def _observed(self, verdict: PageVerdict, found: Found | None = None) -> Found | None:
        """What was found, with the reasons of the rejected records and the kinds of the fields that evolve."""
        if self._kinds is None and found is None and not verdict.rejected:
            return None
        found = found or Found()
        for _, faults in verdict.rejected:
            found.because(faults)
        if self._kinds is not None and verdict.accepted:
            for name, kinds in self._kinds.of(verdict.accepted).items():
                found.evolved.setdefault(name, set()).update(kinds)
        return found

    def _resume(self, known: Mapping[str, Collection[str]]) -> None:
        """Go on with what earlier runs found, as far as the contract does not say it by now."""
        for name in known:
            path: Path = tuple(name.split(".")) if self._flat and name not in self._declared else (name,)
            if path[0] in self._declared and self.types is Mode.EVOLVE:
                if says_more(known[name], self._columns.get(path[0])):
                    self.contract = accepting(self.contract, path)
                    self._watched[path] = None
            elif path[0] not in self._declared and self.columns is Mode.EVOLVE:
                self.added[name] = None
                self._watched[(name,)] = None
        new: dict[str, Any] = {name: {} for name in self.added}
        self.contract = declaring(self.contract, new) if new else self.contract
        self._declared |= new.keys()
        self._bare = _bare(self._declared)
        self._kinds = Kinds(self._watched) if self._watched else None

    def _compiled(self, contract: Contract) -> PageChecker:
        return PageChecker(contract, key_fields=self._key_fields, cursor_field=self._cursor_field)


def _bare(names: Iterable[str]) -> Any:
    """A decoder that refuses records with other top-level fields and looks at no value."""
    if not all(map(sayable, names := frozenset(names))):
        return partial(_only, names)
    attributes = {f"f{place}": name for place, name in enumerate(sorted(names))}
    fields = [(attribute, msgspec.Raw, msgspec.Raw()) for attribute in attributes]
    struct = msgspec.defstruct("Bare", fields, rename=attributes, forbid_unknown_fields=True)
    return msgspec.json.Decoder(struct).decode


def _only(known: frozenset[str], record: bytes) -> None:
    """As the decoder of `_bare`, where that cannot be told a name."""
    if not _names.decode(record).keys() <= known:
        raise msgspec.ValidationError("a field that is not declared")


def _about_root(fault: Fault) -> bool:
    return fault.keyword in ("additionalProperties", "unevaluatedProperties")
