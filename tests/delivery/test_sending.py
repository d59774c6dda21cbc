"""A run goes to each target once: whatever is killed, whatever the server does, nothing arrives twice and nothing is lost in silence."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from commandline import NOTEBOOKS, here

from cjlib import platform
from cjlib.analyses.findings import Finding
from cjlib.analyses.result import metric
from cjlib.delivery.message import message_of, one_line
from cjlib.delivery.sending import JOURNAL, Journal, deliver
from cjlib.delivery.targets import Stamp, _fitting, check, mail
from cjlib.errors import CjlibError, JourneyError
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.schema import Delivery
from cjlib.views.report.redaction import MASK, Mask
from cjlib.views.report.run_store import Run, read_runs

ANA = "ana@example.com"
EVIL = "</td><script>alert(1)</script>"
UNBROKEN = Finding(
    topic="conversion",
    claim=f"Conversion of {EVIL} is low: 12% of 5,600 customers.\r\nBcc: all@example.com",
    direction="bad",
    family="conversion by channel",
    p_adjusted=1e-6,
    customers=97,
    since="2025-06-23",
    next_step="Ask\r\n.\r\nsupport.",
)


def a_run(out: Path, name: str = "20250101T030000Z-0001", **more: object) -> Run:
    """A run as `cj run` publishes it, with one report."""
    folder = out / "runs" / name
    folder.mkdir(parents=True)
    (out / "01_funnel.html").write_text("<p>The report.</p>", encoding="utf-8")
    (out / "index.html").write_text("<p>The briefing.</p>", encoding="utf-8")
    result = {
        "headline": "12% bought.",
        "metrics": {
            "conversion": metric(
                0.12, 0.10, 0.14, 5600, label=f"Conversion {EVIL}", unit="share", better="higher"
            )
        },
        "findings": [UNBROKEN.plain()],
        "families": {UNBROKEN.family: 5},
    }
    report = {
        "status": "ok",
        "title": "Where do we lose customers?",
        "headline": f"12% of {EVIL} bought.",
        "data": "2025-01-01 to 2025-12-31",
        "hash": "h",
        "parameters": {},
        "seconds": 1.0,
        "error": None,
        "results": [result],
    }
    run = Run(folder, {})
    run.update(
        {
            "schema": 1,
            "id": name,
            "status": "ok",
            "started": "2025-01-01T03:00:00+00:00",
            "finished": "2025-01-01T03:01:00+00:00",
            "seconds": 60.0,
            "journey": "Shop",
            "journey_hash": "j",
            "shared_assets": False,
            "alerts": [],
            "exit_code": 0,
            "notebooks": {"01_funnel": report},
        }
        | more
    )
    return run


def an_alert(name: str, **more: Any) -> dict[str, Any]:
    """An alert as run.json keeps it: it has just begun."""
    plain = {"alert": name, "fired": True, "new": True, "cleared": False, "since": "2025-01-01"}
    return plain | {"words": f"{name} is low."} | more


# ---- a mail server that may end whoever calls it ---------------------------------------------------------------------


@dataclass
class Post:
    """A mail server on this machine; it accepts a mail the moment the last dot has arrived."""

    port: int = 0
    accepted: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    killer: tuple[str, int] | None = None
    """At which command whom to kill."""
    answers: dict[str, str] = field(default_factory=dict)
    hang_up_after_dot: bool = False

    def delivery(self, *to: str, **more: Any) -> Delivery:
        return Delivery.model_validate(
            {
                "to": list(to) or [ANA],
                "smtp": f"smtp://127.0.0.1:{self.port}",
                "from": "Reports <reports@example.com>",
            }
            | more
        )

    @property
    def mails(self) -> list[EmailMessage]:
        return [email.message_from_bytes(one, policy=default) for one in self.accepted]  # type: ignore[misc]

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                try:
                    self.talk(caller)
                except OSError:
                    continue

    def talk(self, caller: socket.socket) -> None:
        lines = caller.makefile("rb")
        caller.sendall(b"220 here\r\n")
        while line := lines.readline():
            word = line.split()[0].decode().upper().partition(":")[0]
            self.commands.append(word)
            self.kill_at(word)
            if word in self.answers:
                caller.sendall(f"{self.answers[word]}\r\n".encode())
            elif word == "DATA":
                caller.sendall(b"354 go on\r\n")
                if not self.take(lines):
                    return
                self.kill_at(".")
                if self.hang_up_after_dot:
                    return
                caller.sendall(b"250 taken\r\n")
            else:
                caller.sendall(b"250 yes\r\n")

    def take(self, lines: Any) -> bool:
        """Whether the mail came whole; one without its dot is thrown away, as RFC 5321 asks."""
        body = b""
        while line := lines.readline():
            if line == b".\r\n":
                self.accepted.append(body)
                return True
            body += line.removeprefix(b".")
        return False

    def kill_at(self, word: str) -> None:
        if self.killer and self.killer[0] == word:
            os.kill(self.killer[1], signal.SIGKILL)
            raise OSError("the caller is gone")


@contextmanager
def post_office(**how: Any) -> Iterator[Post]:
    listener = socket.create_server(("127.0.0.1", 0))
    post = Post(port=listener.getsockname()[1], **how)
    server = threading.Thread(target=post.serve, args=(listener,), daemon=True)
    server.start()
    try:
        yield post
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join(5)


@pytest.fixture
def post() -> Iterator[Post]:
    with post_office() as office:
        yield office


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def sent(out: Path, delivery: Delivery, **more: Any) -> list[str]:
    return [one.state for one in deliver(out, delivery, Mask(), lambda _: None, **more)]


# ---- killed at every point -------------------------------------------------------------------------------------------


def _child(out: Path, plain: dict[str, Any], last_sync: int, ready: Any) -> None:
    """Send, and die of SIGKILL at the given write of the journal, before it is on the disk."""
    ready.wait()
    real, count = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == last_sync:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    os.fsync = fsync
    deliver(out, Delivery.model_validate(plain), Mask(), lambda _: None)


def killed(out: Path, post: Post, *, at: str = "", sync: int = 0) -> None:
    """A call of `cj send` that is killed when the server reads a word, or at a write of the journal."""
    plain = post.delivery().model_dump(by_alias=True)
    platform.load_for_all(["cjlib.delivery.sending"])
    ready = platform.PROCESSES.Event()
    child = platform.PROCESSES.Process(target=_child, args=(out, plain, sync, ready))
    child.start()
    post.killer = (at, child.pid) if at else None
    ready.set()
    child.join(60)
    post.killer = None
    assert child.exitcode == -signal.SIGKILL


needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
BEFORE = [{"sync": 1}, {"at": "EHLO"}, {"at": "MAIL"}, {"at": "RCPT"}, {"at": "DATA"}]


@needs_kill
@pytest.mark.parametrize("point", BEFORE, ids=str)
def test_killed_before_the_mail_was_handed_over_the_next_call_sends_it_once(tmp_path, post, point):
    a_run(tmp_path)
    killed(tmp_path, post, **point)
    assert post.accepted == []
    assert sent(tmp_path, post.delivery()) == ["sent"]
    assert sent(tmp_path, post.delivery()) == ["already sent"]
    assert len(post.accepted) == 1


HANDED = [({"sync": 3}, 0), ({"at": "."}, 1)]


@needs_kill
@pytest.mark.parametrize(("point", "arrived"), HANDED, ids=["before the dot", "after the dot"])
def test_killed_while_handing_over_it_is_not_sent_again_by_itself_and_never_forgotten(
    tmp_path, post, point, arrived
):
    a_run(tmp_path)
    killed(tmp_path, post, **point)
    assert len(post.accepted) == arrived
    for _ in range(2):
        (outcome,) = deliver(tmp_path, post.delivery(), Mask(), lambda _: None)
        assert (outcome.state, outcome.well) == ("unclear", False)
        assert re.search(r"message \w+\.\w+@example\.com", outcome.why)
    assert len(post.accepted) == arrived
    assert sent(tmp_path, post.delivery(), again=True) == ["sent"]
    assert sent(tmp_path, post.delivery(), again=True) == ["already sent"]
    assert len({one["Message-ID"] for one in post.mails}) == 1


@needs_kill
def test_killed_after_the_receipt_it_is_sent(tmp_path, post):
    a_run(tmp_path)
    killed(tmp_path, post, sync=4)
    assert sent(tmp_path, post.delivery()) == ["already sent"]
    assert len(post.accepted) == 1


def test_a_line_that_was_half_written_never_took_effect(tmp_path, post):
    run = a_run(tmp_path)
    (run.folder / JOURNAL).write_bytes(b'{"to": "ana@example.com", "state": "se')
    assert sent(tmp_path, post.delivery()) == ["sent"]
    assert Journal(run).state(ANA) == "sent"


def test_a_server_that_takes_the_mail_and_hangs_up_leaves_it_unclear(tmp_path):
    a_run(tmp_path)
    with post_office(hang_up_after_dot=True) as post:
        assert sent(tmp_path, post.delivery()) == ["unclear"]
        assert sent(tmp_path, post.delivery()) == ["unclear"]
        assert len(post.accepted) == 1


def test_what_a_server_refuses_is_tried_again_by_the_next_call(tmp_path):
    a_run(tmp_path)
    with post_office(answers={"RCPT": "451 come back later"}) as post:
        (outcome,) = deliver(tmp_path, post.delivery(), Mask(), lambda _: None)
        assert (outcome.state, outcome.why) == (
            "refused",
            "the mail server answered 451 come back later",
        )
        post.answers.clear()
        assert sent(tmp_path, post.delivery()) == ["sent"]


def test_one_target_that_fails_keeps_no_other_from_its_mail(tmp_path, post):
    a_run(tmp_path)
    hook = f"json://127.0.0.1:{free_port()}/hook"
    assert sent(tmp_path, post.delivery(hook, ANA, "ben@example.com")) == [
        "refused",
        "sent",
        "sent",
    ]
    assert [one["To"] for one in post.mails] == [ANA, "ben@example.com"]


def test_a_new_run_is_sent_anew_and_an_old_one_by_its_name(tmp_path, post):
    old = a_run(tmp_path)
    assert sent(tmp_path, post.delivery()) == ["sent"]
    a_run(tmp_path, "20250102T030000Z-0002")
    assert sent(tmp_path, post.delivery()) == ["sent"]
    assert sent(tmp_path, post.delivery(), run_id=old.id) == ["already sent"]
    assert len({one["Message-ID"] for one in post.mails}) == 2
    with pytest.raises(CjlibError, match=r"--run: there is no published run 'x'"):
        sent(tmp_path, post.delivery(), run_id="x")


def test_without_a_published_run_there_is_nothing_to_send(tmp_path, post):
    a_run(tmp_path, status="failed")
    with pytest.raises(CjlibError, match="no run has been published"):
        sent(tmp_path, post.delivery())


def test_what_did_not_reach_a_target_is_not_forgotten_by_the_next_run(tmp_path, post):
    a_run(tmp_path)
    post.answers["MAIL"] = "451 later"
    sent(tmp_path, post.delivery())
    post.answers.clear()
    a_run(tmp_path, "20250102T030000Z-0002")
    notes: list[str] = []
    deliver(tmp_path, post.delivery(), Mask(), notes.append)
    assert notes == [
        f"The run before, 20250101T030000Z-0001, did not reach {ANA}; cj send --run 20250101T030000Z-0001 sends it."
    ]


# ---- secrets ---------------------------------------------------------------------------------------------------------

JOURNEY = """
name: Shop
sources: {events: events.csv}
stages: [{name: Purchase, touchpoints: [buy]}]
delivery:
"""


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("to: a@b.example\n  from: r@b.example\n  smtp: smtp://me:hunter2@b.example", "delivery.smtp: the file holds a password"),
        ("to: slack://T0hunter2/B0/x", "delivery.to[0]: the address of a service holds its key"),
        ("to: [jsons://me:hunter2@b.example/x]", "delivery.to[0]: the address of a service holds its key"),
        ("to: ['jsons://me:hunter2${X}@b.example/x']", "delivery.to[0]: the file holds a password"),
        ("to: a@b.example\n  from: r@b.example\n  smtp: hunter2", "delivery.smtp: must be the address of a mail server"),
        ("to: hunter2", "delivery.to[0]: must be a mail address, or the address of a service"),
        ("to: a@b.example", "delivery.smtp: the key is missing: to has mail addresses"),
        ("to: json://b.example/x\n  links: 'javascript:hunter2'", "delivery.links: must be the web address"),
        ("to: json://b.example/x\n  tos: 1", "unknown key. Did you mean 'to'?"),
        ("to: json://b.example/x\n  attach: doc", "must be one of html, pdf"),
    ],
)  # fmt: skip
def test_a_secret_in_the_file_is_an_error_that_does_not_repeat_it(lines, said):
    with pytest.raises(JourneyError) as fault:
        journey_from_text(f"{JOURNEY}  {lines}")
    assert said in str(fault.value)
    assert "hunter2" not in str(fault.value)


def test_a_password_never_travels_in_the_clear(tmp_path, post, monkeypatch):
    run = a_run(tmp_path)
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2-p:w@d/")
    delivery = post.delivery(smtp=f"smtp://me:${{SMTP_PASSWORD}}@127.0.0.1:{post.port}")
    (outcome,) = deliver(tmp_path, delivery, Mask(["hunter2-p:w@d/"]), lambda _: None)
    assert outcome.state == "refused"
    assert "offers no encryption" in outcome.why
    assert "AUTH" not in post.commands
    assert "hunter2" not in (run.folder / JOURNAL).read_text()


def test_a_variable_that_is_not_set_stops_before_anybody_is_told(tmp_path, post):
    a_run(tmp_path)
    with pytest.raises(JourneyError, match="the environment variable NOT_SET_HERE is not set"):
        sent(tmp_path, post.delivery(ANA, "slack://${NOT_SET_HERE}/#journey"))
    assert post.commands == []


# ---- what it says ----------------------------------------------------------------------------------------------------

STAMP = Stamp("1.a@example.com", __import__("datetime").datetime(2025, 1, 1))


def test_the_mail_stands_alone(tmp_path, post):
    a_run(tmp_path)
    sent(tmp_path, post.delivery(links="https://reports.example.com/shop/"))
    (made,) = post.mails
    text, page = (made.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for told in (
        "12% of 5,600 customers",
        "since 2025-06-23",
        "p < 0.001, corrected for all 5 comparisons",
        "97 customers",
        "https://reports.example.com/shop/01_funnel.html",
        "95% CI 10.0–14.0%",
        "Where do we lose customers?",
    ):
        assert told in text
        assert told.replace("<", "&lt;") in page
    assert made["Auto-Submitted"] == "auto-generated"


def test_hostile_words_are_shown_as_the_text_they_are_and_never_reach_a_header(tmp_path, post):
    a_run(tmp_path, journey="Shop\r\nBcc: everybody@example.com\u202e", alerts=[an_alert("x", words=f"{EVIL}\n\n.\nRSET")])  # fmt: skip
    sent(tmp_path, post.delivery())
    (made,) = post.mails
    assert set(made.keys()) == {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"}  # fmt: skip
    assert made["Subject"].strip().startswith("Shop Bcc: everybody@example.com: Alert: ")
    assert made["To"] == ANA
    page = made.get_body(("html",)).get_content()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert len(post.accepted) == 1


def test_alerts_stand_in_the_subject_and_first_the_new_ones(tmp_path):
    held = an_alert("nps", new=False, since="2024-12-30T03:00:00+00:00")
    a_run(tmp_path, alerts=[an_alert("csat", fired=False, new=False, cleared=True), held, an_alert("conversion"), an_alert("ces", fired=False)])  # fmt: skip
    message, _ = message_of(tmp_path, read_runs(tmp_path), links=None)
    assert message.subject == "Shop: (3 alerts) Alert: conversion is low."
    assert message.text.splitlines()[:3] == [
        "ALERT: conversion is low.",
        "ALERT SINCE 2024-12-30: nps is low.",
        "ALERT OVER: csat is low.",
    ]
    assert message.html.index("conversion is low.") < message.html.index("<h1")


def test_only_alerts_are_sent_where_an_alert_has_begun_or_is_over(tmp_path, post):
    days = [[], ["nps"], ["nps"], ["nps", "ces"], []]
    states = []
    for day, firing in enumerate(days, 1):
        alerts = [an_alert(name) for name in firing]
        a_run(tmp_path, f"2025010{day}T030000Z-000{day}", alerts=alerts)
        states += sent(tmp_path, post.delivery(), only_alerts=True)
    assert states == ["no alert to tell", "sent", "no alert to tell", "sent", "sent"]
    assert sent(tmp_path, post.delivery(), only_alerts=True) == ["already sent"]


def test_an_alert_that_could_not_be_told_is_told_by_the_next_run(tmp_path, post):
    a_run(tmp_path, alerts=[an_alert("nps")])
    post.answers["MAIL"] = "451 later"
    assert sent(tmp_path, post.delivery(), only_alerts=True) == ["refused"]
    post.answers.clear()
    a_run(tmp_path, "20250102T030000Z-0002", alerts=[an_alert("nps", new=False)])
    assert sent(tmp_path, post.delivery(), only_alerts=True) == ["sent"]


def test_a_subject_is_one_line_and_not_too_long():
    assert one_line("a\r\nb\x00c\u2028d", 5) == "a b …"


def test_without_the_extra_for_pictures_it_says_so_and_goes_without(tmp_path, monkeypatch):
    run = a_run(tmp_path)
    drawing = '<svg viewBox="0 0 16 9" aria-label="The &lt;map&gt;" class="cj-poster"></svg>'
    (run.folder / "01_funnel.html").write_text(drawing)
    message, notes = message_of(tmp_path, read_runs(tmp_path), links=None)
    if message.picture is None:
        pytest.skip("without CairoSVG")
    assert 'alt="The &lt;map&gt;"' in message.html
    assert notes == []
    made = mail(ANA, "r@example.com", message, STAMP)
    (picture,) = [part for part in made.walk() if part.get_content_type() == "image/png"]
    assert picture["Content-ID"] == "<map>"
    assert picture.get_content().startswith(b"\x89PNG")
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    message, notes = message_of(tmp_path, read_runs(tmp_path), links=None)
    assert (message.picture, "cid:map" in message.html) == (None, False)
    assert "CairoSVG" in notes[0]


def test_reports_go_along_where_they_are_asked_for(tmp_path, post):
    a_run(tmp_path)
    sent(tmp_path, post.delivery(attach=["html"]))
    (made,) = post.mails
    assert [part.get_filename() for part in made.iter_attachments()] == [
        "index.html",
        "01_funnel.html",
    ]
    a_run(tmp_path, "20250102T030000Z-0002")
    notes: list[str] = []
    cal = post.delivery("cal@example.com", attach=["html"])
    deliver(tmp_path, cal, Mask(), notes.append, run_id="20250101T030000Z-0001")
    assert list(post.mails[-1].iter_attachments()) == []
    assert notes == ["No reports are attached: those in the folder are of a later run."]
    with pytest.raises(CjlibError, match=r"there is no index.pdf .* cj run --pdf"):
        sent(tmp_path, post.delivery("ben@example.com", attach=["pdf"]))


# ---- services --------------------------------------------------------------------------------------------------------


@contextmanager
def hook(answer: int) -> Iterator[tuple[int, list[tuple[dict[str, str], Any]]]]:
    """A webhook; what it got, headers and JSON. An answer of 0 hangs up."""
    got: list[tuple[dict[str, str], Any]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), json.loads(body)))
            if answer:
                self.send_response(answer)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, got
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answer", "first", "second", "calls"),
    [
        (200, "sent", "already sent", 1),
        (503, "refused", "refused", 2),
        (0, "unclear", "unclear", 1),
    ],
)
def test_a_webhook_is_told_once_too(tmp_path, post, answer, first, second, calls):
    pytest.importorskip("apprise")
    a_run(tmp_path, journey="Shop @channel")
    with hook(answer) as (port, got):
        delivery = post.delivery(f"json://127.0.0.1:{port}/x")
        assert sent(tmp_path, delivery) == [first]
        assert sent(tmp_path, delivery) == [second]
    assert len(got) == calls
    assert len({headers["Idempotency-Key"] for headers, _ in got}) == 1
    assert got[0][1]["title"].startswith("Shop @\u200bchannel: Conversion of")
    assert "97 customers" in got[0][1]["message"]


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("slack://${TOKENS}/#journey", "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"),
        ("${HOOK}", "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"),
        ("jsons://example.com/hook", ""),
    ],
)  # fmt: skip
def test_services_are_known_before_anything_is_sent(target, value, monkeypatch, post):
    pytest.importorskip("apprise")
    monkeypatch.setenv("TOKENS", value)
    monkeypatch.setenv("HOOK", value)
    assert check(target, post.delivery(target)) is None


def test_an_address_that_no_service_has_is_refused_and_not_repeated(monkeypatch, post):
    pytest.importorskip("apprise")
    monkeypatch.setenv("HOOK", "nonsense://hunter2")
    with pytest.raises(JourneyError, match="apprise does not know the address") as fault:
        check("${HOOK}", post.delivery("${HOOK}"))
    assert "hunter2" not in str(fault.value)


def test_without_the_extra_for_services_it_says_what_to_install(monkeypatch, post):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(CjlibError, match=r"pip install 'customer-journey-notebooks\[send\]'"):
        check("json://example.com/x", post.delivery())


def test_a_set_of_parameters_is_named_in_the_subject(tmp_path):
    a_run(tmp_path, set="North")
    message, _ = message_of(tmp_path, read_runs(tmp_path), links=None)
    assert message.subject.startswith("Shop, North: ")


def test_a_service_with_little_room_gets_whole_lines():
    assert _fitting("one\ntwo\nthree", 100) == "one\ntwo\nthree"
    assert _fitting("one\ntwo\nthree", 10) == "one\ntwo\n…"


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command_says_what_became_of_each_target(tmp_path, post):
    a_run(tmp_path / "reports")
    file = tmp_path / "journey.yml"
    file.write_text(
        f"{JOURNEY}  to: [{ANA}]\n  from: r@example.com\n  smtp: smtp://127.0.0.1:{post.port}\n"
    )
    call = ("send", "--journey", file, "--out", tmp_path / "reports")
    said = here(*call)
    assert (said.code, said.out) == (0, "1 sent\n")
    assert here(*call, "--json").json == {"sent": [{"to": ANA, "state": "already sent", "why": ""}]}
    file.write_text(JOURNEY.replace("delivery:", ""))
    said = here(*call)
    assert (said.code, "does not say where to send" in said.err) == (2, True)


def test_a_run_that_is_asked_to_sends_what_it_published(tmp_path, post):
    pytest.importorskip("papermill")
    (tmp_path / "journey.yml").write_text(
        f"{JOURNEY}  to: [{ANA}]\n  from: r@example.com\n  smtp: smtp://127.0.0.1:{post.port}\n"
    )
    call = ("run", NOTEBOOKS / "ok.ipynb", "--out", tmp_path / "out", "--shared-assets")
    assert here(*call, cwd=tmp_path).code == 0
    assert post.accepted == []
    said = here(*call, "--send", "--json", cwd=tmp_path)
    assert (said.code, said.json["status"], said.err.splitlines()[-1]) == (0, "ok", "1 sent")
    assert len(post.accepted) == 1
    (tmp_path / "journey.yml").write_text(JOURNEY.replace("delivery:", ""))
    said = here(*call, "--send", cwd=tmp_path)
    assert (said.code, "does not say where to send" in said.err) == (2, True)


def test_a_mail_server_with_encryption_and_a_password_takes_it(tmp_path, monkeypatch):
    aiosmtpd = pytest.importorskip("aiosmtpd.controller")
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine to make a certificate with")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip
    taken: list[Any] = []
    logins: list[tuple[bytes, bytes]] = []

    class Taker:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
            taken.append(envelope)
            return "250 taken"

    def known(_server: Any, _session: Any, _envelope: Any, _kind: str, data: Any) -> Any:
        logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"hunter2-p:w@d/", handled=False)

    from aiosmtpd.smtp import AuthResult

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = aiosmtpd.Controller(
        Taker(), hostname="127.0.0.1", port=free_port(), tls_context=context, require_starttls=True, auth_required=True, authenticator=known
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2-p:w@d/")
    run = a_run(tmp_path)
    server.start()
    try:
        port = server.port
        delivery = Post(port=port).delivery(
            smtp=f"smtp://me@example.com:${{SMTP_PASSWORD}}@localhost:{port}"
        )
        (outcome,) = deliver(tmp_path, delivery, Mask(["hunter2-p:w@d/"]), lambda _: None)
        assert (outcome.state, outcome.why) == ("sent", "")
        monkeypatch.setenv("SMTP_PASSWORD", "wrong-password")
        other = Post(port=port).delivery("ben@example.com", smtp=delivery.smtp)
        (outcome,) = deliver(tmp_path, other, Mask(["wrong-password"]), lambda _: None)
        assert outcome.state == "refused"
    finally:
        server.stop()
    assert logins[0] == (b"me@example.com", b"hunter2-p:w@d/")
    assert b"\r\n.\r\nsupport" in taken[0].content
    assert len(taken) == 1
    journal = (run.folder / JOURNAL).read_text()
    assert "hunter2" not in journal
    assert "wrong-password" not in journal


def test_a_masked_word_stays_masked_in_the_journal(tmp_path):
    run = a_run(tmp_path)
    with post_office(answers={"MAIL": "550 no s3cret-word here"}) as post:
        deliver(tmp_path, post.delivery(), Mask(["s3cret-word"]), lambda _: None)
    assert MASK in (run.folder / JOURNAL).read_text(encoding="utf-8")
