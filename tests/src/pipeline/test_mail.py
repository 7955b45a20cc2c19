"""E-mail over SMTP to a server on this machine: who has it, what is encrypted, and every way in which it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient
from src.pipeline.mail import Mail
from tests.servers.mail import Mailbox, certificate, mail_server

TO = ("oncall@example.com", "data@example.com")
SENDER = "Sluice <sluice@example.com>"


def mail(box: Mailbox, *, user: str = "", sender: str = SENDER, scheme: str = "smtp") -> Mail:
    return Mail.of(f"{scheme}://{user}localhost:{box.port}", sender=sender)


def test_a_message_goes_to_all_recipients_and_names_sender_and_subject() -> None:
    with mail_server(Mailbox()) as box:
        mail(box).send(TO, "orders failed", "orders failed: größer\n.\nrun r-1")
    ((to, message, encrypted),) = box.taken

    assert (list(TO), False) == (to, encrypted)
    assert (SENDER, ", ".join(TO), "orders failed") == (message["From"], message["To"], message["Subject"])
    assert "orders failed: größer\n.\nrun r-1\n" == message.get_content()
    assert "auto-generated" == message["Auto-Submitted"]
    assert "@example.com>" in message["Message-ID"]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_user_and_password_go_over_tls(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with mail_server(Mailbox(tls=tls, at_once=scheme == "smtps", users={"u@example.com": "p@:/"})) as box:
        mail(box, user="u%40example.com:p%40%3A%2F@", sender="", scheme=scheme).send(TO, "s", "t")

    assert ["u@example.com"] == box.signed_in
    assert [("u@example.com", True)] == [(message["From"], encrypted) for _, message, encrypted in box.taken]


def test_a_server_whose_certificate_nobody_signed_gets_nothing(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path)
    with (
        mail_server(Mailbox(tls=tls, users={"u": "p"})) as box,
        pytest.raises(Refused, match="no certificate that can be trusted"),
    ):
        mail(box, user="u:p@").send(TO, "s", "t")

    assert ([], []) == (box.signed_in, box.taken)


def test_a_password_is_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.pipeline.mail._HERE", ())  # as if the server were another machine
    with (
        mail_server(Mailbox(users={"u": "p"})) as box,
        pytest.raises(Misconfigured, match="offers no encryption, so the password is not sent"),
    ):
        mail(box, user="u:p@").send(TO, "s", "t")

    assert [] == box.signed_in


def only(word: str) -> Callable[[str], str | None]:
    """Says no to one recipient."""
    return lambda rest: "550 no such user" if word in rest else None


@pytest.mark.parametrize(
    ("box", "user", "kind", "words"),
    [
        (Mailbox(users={"u": "p"}), "u:wrong@", Refused, "does not let u in: unknown user or password"),
        (Mailbox(users={"u": "p"}), "", Refused, "refuses the e-mail: 530 sign in first"),
        (Mailbox(), "u:p@", Misconfigured, "SMTP AUTH extension not supported"),
        (Mailbox(answers={"DATA": lambda rest: "451 later"}), "", Transient, "refuses the e-mail: 451 later"),
        (Mailbox(answers={"DATA": lambda rest: "554 no"}), "", Refused, "refuses the e-mail: 554 no"),
        (Mailbox(answers={"RCPT": only("@")}), "", Refused, "data@example.com: 550 no such user"),
        (Mailbox(answers={"RCPT": only("data")}), "", Refused, "550 no such user; the others have it"),
        (Mailbox(answers={"MAIL": lambda rest: "421 full"}), "", Transient, "refuses the e-mail: 421 full"),
        (Mailbox(users={"u": "p"}), "u:%C3%9F@", Misconfigured, "a user or password that is no ASCII"),
    ],
)  # fmt: skip
def test_what_the_server_says_is_told(box: Mailbox, user: str, kind: type[SluiceError], words: str) -> None:
    with mail_server(box), pytest.raises(kind) as caught:
        mail(box, user=user).send(TO, "s", "t")

    assert words in str(caught.value)
    assert "wrong" not in str(caught.value).replace("unknown user", "")


def test_nobody_there_may_pass_and_a_header_with_a_line_break_never_does() -> None:
    with mail_server(Mailbox()) as box:
        with pytest.raises(Misconfigured, match="no e-mail can be made for a@"):
            mail(box).send(["a@example.com\nBcc: b@example.com"], "s", "t")
        with pytest.raises(Misconfigured, match="no e-mail can be made for a@"):
            mail(box).send(["a@example.com"], "s\r\nBcc: b@example.com", "t")
    with pytest.raises(Transient, match="no e-mail through localhost"):
        mail(box).send(TO, "s", "t")

    assert [] == box.taken


def test_an_e_mail_needs_a_sender() -> None:
    with pytest.raises(Misconfigured, match="set SMTP_FROM"):
        Mail.of("smtp://user:p@mail.example.com", sender="")

    found = Mail.of("smtps://u%40x:secret@mail.example.com", sender="")

    assert ("mail.example.com", 465, "u@x", "secret") == (
        found.host,
        found.port,
        found.sender,
        found.password,
    )
    assert "secret" not in repr(found)
