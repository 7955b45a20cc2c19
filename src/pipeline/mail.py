"""Mail by SMTP (RFC 5321) for notifications: one message to all recipients, by the server of the setting SMTP_URL."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from shared.common.errors import Misconfigured, Refused, Transient

_HERE = ("localhost", "127.0.0.1", "::1")
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server. `smtps` speaks TLS from the first byte, `smtp` by STARTTLS where the server offers it.

    A password goes over TLS only, or to this machine itself.
    """

    scheme: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    sender: str
    seconds: float = 10.0

    @classmethod
    def of(cls, url: str, *, sender: str) -> Mail:
        """The server of `smtp[s]://[user:password@]host[:port]`; without `sender` the user is it, if it is an address.

        Raises `Misconfigured`.
        """
        parts = urlsplit(url)
        user = unquote(parts.username or "")
        found = sender or (user if "@" in user else "")
        if not found:
            raise Misconfigured("an e-mail has no sender", hint="set SMTP_FROM")
        port = parts.port or _PORTS[parts.scheme]
        return cls(parts.scheme, parts.hostname or "", port, user, unquote(parts.password or ""), found)

    def send(self, to: Sequence[str], subject: str, text: str) -> None:
        """Hand a message over. Raises `Transient`, `Refused` or `Misconfigured`, also when only some may have it."""
        try:
            message = self._message(to, subject, text)
        except ValueError as error:  # a line break in a header, or an address that is none
            raise Misconfigured(f"no e-mail can be made for {', '.join(to)}: {error}") from None
        try:
            with self._opened() as server:
                refused = server.send_message(message)
                with suppress(
                    smtplib.SMTPException
                ):  # it has taken the message; what it says on leaving is no matter
                    server.quit()
        except smtplib.SMTPAuthenticationError as error:
            raise Refused(f"{self.host} does not let {self.user} in: {_said(error.smtp_error)}") from None
        except smtplib.SMTPRecipientsRefused as error:
            raise Refused(f"{self.host} refuses {_each(error.recipients)}") from None
        except smtplib.SMTPResponseException as error:
            kind = Transient if 400 <= error.smtp_code < 500 else Refused
            raise kind(
                f"{self.host} refuses the e-mail: {error.smtp_code} {_said(error.smtp_error)}"
            ) from None
        except smtplib.SMTPNotSupportedError as error:
            raise Misconfigured(f"{self.host} cannot do what this e-mail needs: {error}") from None
        except ssl.SSLCertVerificationError as error:
            raise Refused(
                f"{self.host} shows no certificate that can be trusted: {error.verify_message}"
            ) from None
        except UnicodeEncodeError:
            raise Misconfigured(
                "SMTP_URL has a user or password that is no ASCII, which AUTH cannot send"
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            raise Transient(
                f"no e-mail through {self.host}:{self.port}: {type(error).__name__}: {error}"
            ) from error
        if refused:
            raise Refused(f"{self.host} refuses {_each(refused)}; the others have it")

    def _message(self, to: Sequence[str], subject: str, text: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = ", ".join(to)
        message["Subject"] = subject
        message["Date"] = formatdate(localtime=False)
        message["Message-ID"] = make_msgid(domain=self.sender.rpartition("@")[2].rstrip(">"))
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(text)
        return message

    def _opened(self) -> smtplib.SMTP:
        """The server, greeted and signed in."""
        trust = ssl.create_default_context()
        if self.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=self.seconds, context=trust)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.seconds)
        try:
            server.ehlo()
            if self.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=trust)
                server.ehlo()
            elif self.scheme == "smtp" and self.password and self.host not in _HERE:
                raise Misconfigured(
                    f"{self.host} offers no encryption, so the password is not sent there",
                    hint="use smtps:// in SMTP_URL",
                )
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server


def _each(refused: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{name}: {code} {_said(why)}" for name, (code, why) in refused.items())


def _said(text: bytes | str) -> str:
    return " ".join((text.decode("utf-8", "replace") if isinstance(text, bytes) else text).split())[:200]
