"""How a message leaves: mail by SMTP, everything else by apprise.

A target either took the message, or surely did not (`Refused`: it may be tried again), or nobody can know (`Unclear`: it was handed over and no
answer came). The moment in between is told to the caller, who writes it down before the last byte leaves.
"""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cjlib.delivery.message import Message, one_line
from cjlib.errors import CjlibError, JourneyError
from cjlib.sources.connect.files import expanded
from cjlib.sources.journey.cross_field_rules import MAIL, SENDER, SMTP
from cjlib.sources.journey.schema import Delivery

PATIENCE = 60
"""Seconds that a server may take for an answer."""
INSTALL = "pip install 'customer-journey-notebooks[send]'"
POLICY = SMTP_POLICY.clone(cte_type="7bit")


class Refused(Exception):  # noqa: N818 — an outcome, not an error of ours
    """The target surely does not have the message."""


class Unclear(Exception):  # noqa: N818 — an outcome, not an error of ours
    """The message was handed over, and whether the target has it nobody can know."""


@dataclass(frozen=True)
class Stamp:
    """What makes a message the same one wherever and however often it arrives."""

    id: str
    """The Message-ID of the mail, without angle brackets."""
    moment: datetime
    """When its run ended."""


Handing = Callable[[], None]
"""Called once, when everything but the last step has been done."""


def send(target: str, delivery: Delivery, message: Message, stamp: Stamp, handing: Handing) -> None:
    """Hand the message to one target of `delivery.to`.

    Raises
    ------
    Refused
        If the target surely did not take it.
    Unclear
        If it was handed over and no answer came.
    """
    if MAIL.fullmatch(target):
        _send_mail(target, delivery, message, stamp, handing)
    else:
        _notify(expanded(target, "delivery.to"), message, stamp, handing)


def check(target: str, delivery: Delivery) -> None:
    """Everything that is known before anything is sent: variables that are not set, services that nobody knows."""
    if not MAIL.fullmatch(target):
        _service(expanded(target, "delivery.to"))
        return
    for part in (delivery.smtp or "", delivery.from_ or ""):
        expanded(part, "delivery.smtp")


# ---- mail ------------------------------------------------------------------------------------------------------------


def mail(target: str, sender: str, message: Message, stamp: Stamp) -> EmailMessage:
    """The message as mail: plain text, HTML with the map as a picture inside, attachments."""
    made = EmailMessage(policy=POLICY)
    made["From"] = _sender(sender)
    made["To"] = Address(addr_spec=target)
    made["Subject"] = one_line(message.subject)
    made["Date"] = format_datetime(stamp.moment)
    made["Message-ID"] = f"<{stamp.id}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.text)
    made.add_alternative(message.html, subtype="html")
    if message.picture is not None:
        body = made.get_body(("html",))
        assert body is not None  # it was added a line above
        body.add_related(message.picture, "image", "png", cid="<map>", filename="map.png")
    for attachment in message.attachments:
        main, _, sub = attachment.kind.partition("/")
        made.add_attachment(
            attachment.content, maintype=main, subtype=sub, filename=attachment.name
        )
    return made


def _sender(written: str) -> Address:
    found = SENDER.fullmatch(written)
    assert found is not None  # the journey file was checked
    return Address(one_line(found["name"] or ""), addr_spec=found["address"] or written)


def _send_mail(
    target: str, delivery: Delivery, message: Message, stamp: Stamp, handing: Handing
) -> None:
    assert delivery.smtp is not None  # the journey file was checked
    assert delivery.from_ is not None
    made = mail(target, delivery.from_, message, stamp)
    handed = False
    try:
        with _server(delivery.smtp) as server:
            _accepted(server.mail(_sender(delivery.from_).addr_spec))
            _accepted(server.rcpt(target))
            _accepted(server.docmd("DATA"), 354)
            server.send(re.sub(rb"(?m)^\.", b"..", made.as_bytes()))
            handing()
            handed = True
            server.send(b".\r\n")
            _accepted(server.getreply())
    except Refused:
        raise
    except (OSError, smtplib.SMTPException) as fault:
        words = _words_of(fault)
        if handed:
            raise Unclear(
                f"the mail server took the message and gave no answer ({words})"
            ) from None
        raise Refused(words) from None


@contextmanager
def _server(address: str) -> Iterator[smtplib.SMTP]:
    """A connection that is logged in; a password never travels in the clear."""
    found = SMTP.fullmatch(address)
    assert found is not None  # the journey file was checked
    host = expanded(found["host"], "delivery.smtp")
    safe = found["scheme"] == "smtps"
    port = int(found["port"] or (465 if safe else 587))
    context = ssl.create_default_context()
    server = (
        smtplib.SMTP_SSL(host, port, timeout=PATIENCE, context=context)
        if safe
        else smtplib.SMTP(host, port, timeout=PATIENCE)
    )
    try:
        server.ehlo_or_helo_if_needed()
        if not safe and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo_or_helo_if_needed()
            safe = True
        if found["user"]:
            if not safe:
                raise Refused(
                    "the mail server offers no encryption, and a password is not sent in the clear"
                )
            server.login(
                expanded(found["user"], "delivery.smtp"),
                expanded(found["password"], "delivery.smtp"),
            )
        yield server
    finally:
        server.close()


def _accepted(answer: tuple[int, bytes], wanted: int = 250) -> None:
    code, words = answer
    if code not in (wanted, 251):
        raise Refused(
            f"the mail server answered {code} {one_line(words.decode(errors='replace'), 200)}"
        )


def _words_of(fault: Exception) -> str:
    if isinstance(fault, smtplib.SMTPResponseException):
        said = fault.smtp_error
        words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        return f"the mail server answered {fault.smtp_code} {one_line(words, 200)}"
    reason = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
    return f"no answer from the mail server: {one_line(str(reason), 200)}"


# ---- services --------------------------------------------------------------------------------------------------------

_ANSWERED = re.compile(r"error=(\d{3})")
_NOT_REACHED = re.compile(
    r"Failed to establish|NewConnectionError|ConnectTimeout|NameResolution|SSLError"
)
"""What apprise's log says where a service could not be reached at all. The log itself holds addresses with keys and is never shown."""


def _notify(address: str, message: Message, stamp: Stamp, handing: Handing) -> None:
    """Tell a service: Slack, Teams, a webhook and what else apprise knows."""
    service = _service(address)
    headers = getattr(service, "headers", None)
    if isinstance(headers, dict):
        headers["Idempotency-Key"] = stamp.id
    title = _harmless(message.subject)
    with TemporaryDirectory() as folder, _listening() as said:
        files = _files(message, Path(folder)) if service.attachment_support else []
        handing()
        took = service.notify(
            title=title,
            body=_fitting(_harmless(message.text), service.body_maxlen - len(title) - 10),
            body_format="text",
            attach=files or None,
        )
    if took:
        return
    if answered := _ANSWERED.search(said.getvalue()):
        raise Refused(f"the service answered {answered[1]}")
    if _NOT_REACHED.search(said.getvalue()):
        raise Refused("the service could not be reached")
    raise Unclear("the service was told and gave no answer")


def _service(address: str) -> Any:
    """The service as apprise knows it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what its plug-ins say while they load
            import apprise

            service = apprise.Apprise.instantiate(address)
    except ImportError:
        raise CjlibError(
            f"delivery.to: services are told by apprise. Install it: {INSTALL}."
        ) from None
    if service is None:
        raise JourneyError(
            "delivery.to: apprise does not know the address of one of the services. All it knows: https://appriseit.com/services/; "
            "a plain webhook is jsons://example.com/path."
        )
    return service


def _harmless(text: str) -> str:
    """Words from the data call nobody's attention: an @ is parted from the name behind it."""
    return re.sub(r"@(?=\w)", "@\u200b", text)


def _fitting(text: str, most: int) -> str:
    """As many whole lines as a service takes in one message, which is told once or not at all."""
    if len(text) <= most:
        return text
    kept = text[: most - 2].rpartition("\n")[0] or text[: most - 2]
    return f"{kept}\n…"


def _files(message: Message, folder: Path) -> list[str]:
    parts = [(attachment.name, attachment.content) for attachment in message.attachments]
    if message.picture is not None:
        parts.insert(0, ("map.png", message.picture))
    for name, content in parts:
        (folder / name).write_bytes(content)
    return [str(folder / name) for name, _ in parts]


@contextmanager
def _listening() -> Iterator[StringIO]:
    """What apprise says, and nobody else hears."""
    said = StringIO()
    logger = logging.getLogger("apprise")
    before = logger.level, logger.propagate
    handler = logging.StreamHandler(said)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
