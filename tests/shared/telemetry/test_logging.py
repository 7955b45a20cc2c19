"""Logs: one JSON object per line in Lambda, a readable line elsewhere, and never a secret."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.common.redaction import Redactor
from shared.telemetry.logging import json_line, open_log, readable_line, redacted

ROOT = Path(__file__).parents[3]


class TestJson:
    def test_a_line_is_one_json_object_with_its_context(self, record: Callable[..., Any]) -> None:
        written = record()
        written.log.append_keys(source="recurly")

        written.log.info("run done", extra={"rows": 3})

        line = written.lines[0]
        assert (line["level"], line["message"], line["source"], line["rows"]) == (
            "INFO",
            "run done",
            "recurly",
            3,
        )
        assert line["service"] == "sluice-tests"
        assert line["timestamp"].endswith("+00:00")

    def test_secrets_are_masked_in_messages_extras_and_tracebacks(self, record: Callable[..., Any]) -> None:
        written = record('hun"ter22')
        try:
            raise ValueError('hun"ter22 was wrong')
        except ValueError:
            written.log.exception(
                "saw %s", 'hun"ter22', extra={"urls": ["https://x.test/?token=abcdef"], "api_key": 9}
            )

        text = written.stream.getvalue()
        assert "ter22" not in text
        assert "abcdef" not in text
        assert written.lines[0]["message"] == "saw ***"
        assert written.lines[0]["api_key"] == "***"
        assert "ValueError: *** was wrong" in written.lines[0]["exception"]

    def test_a_record_of_many_lines_stays_one_line(self, record: Callable[..., Any]) -> None:
        written = record()
        written.log.warning("a\nb\r\nc")

        assert written.lines[0]["message"] == "a\nb\r\nc"

    def test_the_last_opened_log_of_a_service_knows_its_secrets(self) -> None:
        first, second = io.StringIO(), io.StringIO()
        open_log("sluice-twice", redactor=Redactor(), stream=first)
        log = open_log("sluice-twice", redactor=Redactor(["hunter22"]), stream=second, level="DEBUG")

        log.debug("hunter22")

        assert (first.getvalue(), json.loads(second.getvalue())["message"]) == ("", "***")

    def test_what_libraries_log_comes_out_once_redacted_and_in_the_same_form(self) -> None:
        code = (
            "import logging\n"
            "from shared.common.redaction import Redactor\n"
            "from shared.telemetry.logging import open_log\n"
            "logging.getLogger().addHandler(logging.StreamHandler(__import__('sys').stdout))\n"
            "for _ in range(2):\n"
            "    log = open_log('sluice', redactor=Redactor(['hunter22']), libraries=True)\n"
            "log.info('ours')\n"
            "logging.getLogger('urllib3').warning('retry with hunter22')\n"
            "logging.getLogger('urllib3').info('chatter')\n"
        )
        out = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout

        assert [json.loads(line)["message"] for line in out.splitlines()] == ["ours", "retry with ***"]


class TestReadable:
    def test_shows_time_level_message_and_context(self) -> None:
        stream = io.StringIO()
        log = open_log("sluice-readable", redactor=Redactor(["hunter22"]), as_json=False, stream=stream)
        log.append_keys(source="recurly")

        log.info("landed", extra={"rows": 3, "note": "hunter22"})

        assert stream.getvalue()[8:] == " INFO     landed  source=recurly rows=3 note=***\n"

    def test_a_traceback_follows_on_lines_of_its_own(self) -> None:
        line = readable_line({"level": "ERROR", "message": "no", "exception": "Traceback\n  x"})

        assert line.splitlines()[1:] == ["Traceback", "  x"]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["say hunter22!", "token=x9x9x9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_whatever_is_logged_is_valid_json_without_the_secret(value: Any) -> None:
    line = json_line({"value": redacted(value, Redactor(["hunter22"]))})

    assert "value" in json.loads(line)
    assert "hunter22" not in line
    assert "x9x9x9" not in line
