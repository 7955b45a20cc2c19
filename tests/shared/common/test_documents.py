"""Documents: plain data with places, and every mistake reported with file, line and what would be right."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, model_validator

from shared.common.documents import read_json_document, read_yaml
from shared.common.errors import Misconfigured
from shared.common.instants import parse_duration
from shared.common.places import MAX_BYTES


class Model(BaseModel, extra="forbid", frozen=True): ...


class NextLink(Model):
    type: Literal["next_link"]
    path: str
    has_more: str | None = None


class Cursor(Model):
    type: Literal["cursor", "after"]
    param: str
    size: int = 1


class Disposition(StrEnum):
    APPEND = "append"
    MERGE = "merge"


Pagination = Annotated[NextLink | Cursor, Field(discriminator="type")]


class Stream(Model):
    path: str = "/"
    pagination: Pagination | None = None
    primary_key: str | list[str] = "id"
    flexible: str | Pagination | None = None
    write_disposition: Disposition = Disposition.MERGE
    look_back: Annotated[str, AfterValidator(lambda text: parse_duration(text) and text)] = "0s"
    limit: int = Field(default=10, ge=1)
    gzip: bool = True
    children: list[Stream] = []


class Source(Model):
    name: str
    streams: dict[str, Stream] = {}

    @model_validator(mode="after")
    def _named_well(self) -> Source:
        if self.name == "bad":
            raise ValueError('"bad" is no name')
        return self


def problems(text: str, model: type[BaseModel] = Source) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        read_yaml(text, file="s.yml").parse(model)
    return caught.value.message.splitlines()


def refused(text: str | bytes, read: Any = read_yaml) -> str:
    with pytest.raises(Misconfigured) as caught:
        read(text, file="f")
    return caught.value.message


def outcome(read: Any, text: str | bytes) -> str:
    """What the author of the text sees: "ok", or the message of the only error that may be raised."""
    try:
        read(text, file="f").parse(Source)
    except Misconfigured as error:
        return error.message
    return "ok"


class TestYaml:
    def test_reads_plain_data(self) -> None:
        data = read_yaml("a: 1\nb: [x, 2.5, true, null]\nc: {d: 'e'}\n", file="f").data

        assert data == {"a": 1, "b": ["x", 2.5, True, None], "c": {"d": "e"}}

    def test_words_that_yaml_1_1_takes_for_something_else_stay_text(self) -> None:
        text = (
            "[on, off, yes, no, y, n, 2024-03-01, 1:30, 010, 1_000, 1e3, 1.5e3, 0o17, '1', \"true\", 0b1, =]"
        )

        assert [str(value) for value in read_yaml(text, file="f").data] == read_yaml(text, file="f").data

    def test_keys_are_text_as_written(self) -> None:
        assert list(read_yaml("on: 1\n1: 1\ntrue: 1\nnull: 1\n1.50: 1\n", file="f").data) == [
            "on",
            "1",
            "true",
            "null",
            "1.50",
        ]

    def test_explicit_tags_of_jsons_types_are_read(self) -> None:
        assert read_yaml("[!!str 1, !!int 2, !!float 3, !!bool true, !!null '', ! 4]", file="f").data == [
            "1",
            2,
            3.0,
            True,
            None,
            "4",
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: 1\nb: 2\na: 3\n", 'f:3:1 key "a" is here twice; the first is in line 1'),
            ("a: .nan", "f:1:4 .nan is no number that data can hold; write it in quotes if it is text"),
            ("a: -.inf", "f:1:4 -.inf is no number that data can hold; write it in quotes if it is text"),
            (
                "a: 1.0e+999",
                "f:1:4 1.0e+999 is no number that data can hold; write it in quotes if it is text",
            ),
            (
                "a: 99999999999999999999",
                "f:1:4 99999999999999999999 does not fit in 64 bits; write it in quotes if it is text",
            ),
            (
                "a: !!python/name:os.system x",
                "f:1:4 tag !!python/name:os.system is not read; write plain YAML",
            ),
            ("a: !!binary aGk=", "f:1:4 tag !!binary is not read; write plain YAML"),
            ("a: !!int x", 'f:1:4 "x" is not a !!int'),
            ("a: *b", "f:1:4 alias *b has no anchor &b before it"),
            ("a: &a [*a]", "f:1:8 alias *a has no anchor &a before it"),
            ("? [1, 2]\n: 3", "f:1:3 a key must be text on one line, not empty, a list or a mapping"),
            ("?\n: 3", "f:1:2 a key must be text on one line, not empty, a list or a mapping"),
            ("a: 1\n---\nb: 2", "f:2:1 a second document starts here; one file holds one"),
            ("a:\n  <<: 3", "f:2:7 << takes a mapping or a list of mappings, such as *anchor"),
            (b"a: 1\nb: \xff", "f:2:4 is not UTF-8 text; save the file as UTF-8"),
            ("a: \ud800", "f:1:4 is not UTF-8 text; save the file as UTF-8"),
            ("x" * (MAX_BYTES + 1), "f:1:1 is longer than 4,000,000 bytes"),
            ("[" * 100 + "]" * 100, "f:1:65 is nested more than 64 levels deep"),
        ],
    )
    def test_refuses(self, text: str | bytes, message: str) -> None:
        assert refused(text) == message

    def test_names_the_place_of_a_syntax_error(self) -> None:
        assert refused("a: 1\n b: [\n").startswith("f:2:3 mapping values are not allowed")
        assert refused("a: 1\nb: \x07\n").startswith("f:2:4 this character is not allowed in YAML")

    def test_reports_all_faults_of_a_text_at_once(self) -> None:
        assert refused("a: .nan\na: .inf\n").splitlines() == [
            "f:1:4 .nan is no number that data can hold; write it in quotes if it is text",
            'f:2:1 key "a" is here twice; the first is in line 1',
            "f:2:4 .inf is no number that data can hold; write it in quotes if it is text",
        ]

    def test_aliases_that_laugh_a_billion_times_are_refused(self) -> None:
        lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

        assert "the document grows beyond 200,000 values" in refused("\n".join(lines))

    def test_merges_mappings_without_overwriting(self) -> None:
        text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 0\n"

        assert read_yaml(text, file="f").data["c"] == {"x": 0, "y": 1, "z": 2}

    def test_a_mistake_behind_an_alias_is_shown_where_its_text_is(self) -> None:
        text = "name: n\nstreams:\n  a: &a {limit: x}\n  b: *a\n"

        assert problems(text) == [
            's.yml:3:17 streams.a.limit: expected a whole number, got "x"',
            's.yml:3:17 streams.b.limit: expected a whole number, got "x"',
        ]

    def test_an_empty_text_is_no_data(self) -> None:
        assert read_yaml("# nothing\n", file="f").data is None
        assert problems("") == ["s.yml:1:1 is empty"]

    def test_the_compiled_parser_is_installed(self) -> None:
        assert yaml.__with_libyaml__

    @given(st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), inner, max_size=4),
        max_leaves=20,
    ))  # fmt: skip
    def test_reads_back_what_was_written(self, data: Any) -> None:
        assert read_json_document(json.dumps(data), file="f").data == data
        assert read_json_document(json.dumps(data, ensure_ascii=False, indent=1), file="f").data == data
        assert read_yaml(yaml.safe_dump(data), file="f").data == data

    @given(st.text(alphabet=st.characters() | st.sampled_from("{}[]:,&*!<>|'\"%@`-?#\n \tab1."), max_size=60))
    def test_any_text_gives_a_document_or_misconfigured(self, text: str) -> None:
        for read in (read_yaml, read_json_document):
            assert outcome(read, text).startswith(("f:", "ok"))

    @given(st.binary(max_size=40))
    def test_any_bytes_give_a_document_or_misconfigured(self, raw: bytes) -> None:
        for read in (read_yaml, read_json_document):
            assert outcome(read, raw).startswith(("f:", "ok"))


class TestJson:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"a": 1,\n "a": 2}', 'f:2:2 key "a" is here twice; the first is in line 1'),
            ('{"a": NaN}', 'f:1:7 expected a value, got "NaN"'),
            ('{"a": -Infinity}', 'f:1:7 expected a value, got "-"'),
            ('{"a": 1e999}', "f:1:7 1e999 is no number that data can hold"),
            ('{"a": 1,}', 'f:1:9 expected a key in double quotes, got "}"'),
            ("{'a': 1}", 'f:1:2 expected a key in double quotes, got "\'"'),
            ('{"a" 1}', 'f:1:6 expected a colon, got "1"'),
            ('[1\n2]', 'f:2:1 expected a comma or ], got "2"'),
            ("[1", "f:1:3 expected a comma or ], got the end"),
            ("[01]", 'f:1:3 expected a comma or ], got "1"'),
            ('"\\ud800"', "f:1:1 half of a surrogate pair is no character"),
            ('["a\nb"]', "f:1:4 Invalid control character"),
            ("{} {}", "f:1:4 the document ended before this"),
            ("[" * 65, "f:1:65 is nested more than 64 levels deep"),
        ],
    )  # fmt: skip
    def test_refuses(self, text: str, message: str) -> None:
        assert refused(text, read_json_document).startswith(message)

    def test_validates_as_yaml_does(self) -> None:
        with pytest.raises(Misconfigured, match="f:2:10 name: expected text, got number 3; put it in quotes"):
            read_json_document('{\n "name": 3}', file="f").parse(Source)


class TestParse:
    def test_gives_the_model(self) -> None:
        text = "name: n\nstreams: {a: {pagination: {type: next_link, path: next}, gzip: off}}"

        source = read_yaml(text, file="f").parse(Source)

        assert source.streams["a"].pagination == NextLink(type="next_link", path="next")
        assert source.streams["a"].gzip is False

    def test_an_unknown_key_lists_the_known_ones_also_where_it_hides_the_discriminator(self) -> None:
        text = "name: n\nstreams:\n  accounts:\n    pagination:\n      typ: next_link\n      path: next\n"

        assert problems(text) == [
            's.yml:5:7 streams.accounts.pagination: unknown key "typ"; '
            'did you mean "type"? known: has_more, path, type'
        ]

    @pytest.mark.parametrize(
        ("stream", "expected"),
        [
            ("pagination: {type: nextlink}",
             '3:22 streams.a.pagination.type: unknown value "nextlink"; '
             'did you mean "next_link"? known: after, cursor, next_link'),
            ("pagination: {}", '3:3 streams.a.pagination: "type" is missing; known: after, cursor, next_link'),
            ("pagination: {type: cursor, cursor: 1, param: p}",
             '3:30 streams.a.pagination: unknown key "cursor"; known: param, size, type'),
            ("pagination: {type: cursor}", '3:3 streams.a.pagination: "param" is missing'),
            ("pagination: next_link", '3:15 streams.a.pagination: expected a mapping, got "next_link"'),
            ("primary_key: 3", "3:16 streams.a.primary_key: expected text or a list, got number 3"),
            ("primary_key: [a, 3]", "3:20 streams.a.primary_key[1]: expected text, got number 3; put it in quotes"),
            ("flexible: {type: next_link, path: p, x: 1}",
             '3:40 streams.a.flexible: unknown key "x"; known: has_more, path, type'),
            ("flexible: {type: x}",
             '3:20 streams.a.flexible.type: unknown value "x"; known: after, cursor, next_link'),
            ("flexible: 1", "3:13 streams.a.flexible: expected text or a mapping, got number 1"),
            ("write_disposition: merg",
             '3:22 streams.a.write_disposition: unknown value "merg"; did you mean "merge"? known: append, merge'),
            ("write_disposition: 1", "3:22 streams.a.write_disposition: expected one of append, merge, got number 1"),
            ("look_back: soon",
             '3:14 streams.a.look_back: "soon" is not a duration; write it like 500ms, 90s, 15m, 1h30m, 7d or 2w'),
            ("limit: 0", "3:10 streams.a.limit: must be greater than or equal to 1, got number 0"),
            ("limit: 1.5", "3:10 streams.a.limit: expected a whole number, got number 1.5"),
            ("limit: ", "3:10 streams.a.limit: expected a whole number, got nothing"),
            ("gzip: maybe", '3:9 streams.a.gzip: expected true or false, got "maybe"'),
            ("children: {}", "3:13 streams.a.children: expected a list, got a mapping"),
            ("children: [{pth: x}]",
             '3:15 streams.a.children[0]: unknown key "pth"; did you mean "path"? known: '
             "children, flexible, gzip, limit, look_back, pagination, path, primary_key, write_disposition"),
        ],
    )  # fmt: skip
    def test_says_where_and_what_would_be_right(self, stream: str, expected: str) -> None:
        lines = problems(f"name: n\nstreams: {{a: {{\n  {stream}}}}}")

        assert lines == [f"s.yml:{expected}"]

    def test_reports_every_mistake_in_the_order_of_the_text(self) -> None:
        text = "nam: n\nstreams:\n  b: {limit: x}\n  a: {limt: 3}\n"

        assert [line.split(" ")[0] for line in problems(text)] == [
            "s.yml:1:1",
            "s.yml:1:1",
            "s.yml:3:14",
            "s.yml:4:7",
        ]

    def test_a_list_that_is_too_short_is_told_unless_what_is_in_it_is_wrong(self) -> None:
        class Short(BaseModel):
            names: Annotated[tuple[int, ...], Field(min_length=1)]

        with pytest.raises(Misconfigured, match=r"^f:1:8 names: needs 1 or more, and has 0$"):
            read_yaml("names: []", file="f").parse(Short)
        with pytest.raises(Misconfigured, match=r"^f:1:9 names\[0\]: expected a whole number") as wrong:
            read_yaml("names: [one]", file="f").parse(Short)
        assert 1 == len(str(wrong.value).splitlines())

    def test_a_validator_of_the_whole_may_refuse(self) -> None:
        assert problems("name: bad\n") == ['s.yml:1:1 "bad" is no name']

    def test_a_long_list_of_mistakes_is_cut(self) -> None:
        lines = problems("name: n\nstreams:\n" + "".join(f"  s{n}: {{limit: x}}\n" for n in range(50)))

        assert len(lines) == 41
        assert lines[-1] == "… and 10 more"

    def test_later_checks_name_places_too(self) -> None:
        document = read_yaml("name: n\nstreams:\n  a: {path: /x}\n", file="s.yml")

        assert document.where("streams", "a", "path") == "s.yml:3:13"
        assert str(
            document.error("two streams have this path", "streams", "a", "path", hint="choose another")
        ) == ("s.yml:3:13 two streams have this path\n  choose another")

    def test_a_document_that_is_no_mapping_is_refused(self) -> None:
        assert problems("[1]") == ["s.yml:1:1 expected a mapping, got a list"]

    @given(st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["next_link", "cursor", "x", "merge"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["name", "streams", "pagination", "type", "typ", "path", "flexible", "children",
                             "primary_key", "limit", "cursor", "[key]", "str"]), inner, max_size=5),
        max_leaves=25,
    ))  # fmt: skip
    def test_any_data_is_accepted_or_each_of_its_mistakes_has_a_place(self, data: Any) -> None:
        lines = outcome(read_json_document, json.dumps(data)).splitlines()

        assert all(line.startswith(("f:", "…", "ok")) for line in lines)
