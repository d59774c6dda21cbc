"""Which run goes to whom, once.

Each run has a journal, `runs/<id>/deliveries.jsonl`, one line a step, each on the disk before the next step: `started` before the target is
called, `handing over` before the last byte, then `sent`, `refused` or `unclear`. What was killed before `handing over` surely did not arrive and
is sent by the next call; what was killed after it may have arrived: it is not sent again by itself, and said aloud until a person decides.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cjlib.delivery.message import Message, message_of
from cjlib.delivery.targets import Refused, Stamp, Unclear, check, send
from cjlib.errors import CjlibError, shown
from cjlib.sources.journey.cross_field_rules import SENDER
from cjlib.sources.journey.schema import Delivery
from cjlib.views.report.redaction import Mask
from cjlib.views.report.run_store import OK, Run, now, read_runs

STARTED, HANDING, SENT, REFUSED, UNCLEAR = "started", "handing over", "sent", "refused", "unclear"
NOTHING_NEW = "no alert to tell"
DONE = (SENT,)
IN_DOUBT = (HANDING, UNCLEAR)
JOURNAL = "deliveries.jsonl"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sent:
    """What became of one target."""

    to: str
    state: str
    """sent, already sent, refused, unclear, or no alert to tell."""
    why: str = ""

    @property
    def well(self) -> bool:
        """Whether nobody needs to look."""
        return self.state not in (REFUSED, UNCLEAR)


class Journal:
    """What is known of the deliveries of a run."""

    def __init__(self, run: Run) -> None:
        self.path = run.folder / JOURNAL

    def state(self, target: str) -> str:
        """The last step towards this target; empty if there was none."""
        steps = [line["state"] for line in self._lines() if line.get("to") == target]
        return steps[-1] if steps else ""

    def note(self, target: str, state: str, **more: str) -> None:
        """Write a step down and wait until it is on the disk."""
        line = json.dumps({"at": now(), "to": target, "state": state, **more}, ensure_ascii=False)
        new = not self.path.exists()
        with open(self.path, "ab+") as file:
            file.write(b"" if _ends_whole(file) else b"\n")
            file.write(f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        if new:
            _settle(self.path.parent)

    def _lines(self) -> list[dict[str, Any]]:
        """Every whole line; one that a killed process left half-written never took effect."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        lines = []
        for line in text.splitlines():
            try:
                read = json.loads(line)
            except ValueError:
                continue
            if isinstance(read, dict) and "state" in read:
                lines.append(read)
        return lines


def _ends_whole(file: Any) -> bool:
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return True
    file.seek(size - 1)
    return file.read(1) == b"\n"


def _settle(folder: Path) -> None:
    """Let a new file's name be on the disk too, where the system can say so."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def deliver(
    out: Path,
    delivery: Delivery,
    mask: Mask,
    say: Say,
    *,
    run_id: str | None = None,
    again: bool = False,
    only_alerts: bool = False,
) -> list[Sent]:
    """Send a run to every target that does not have it.

    Parameters
    ----------
    out
        The folder of reports.
    delivery
        The section of the journey file.
    mask
        Takes secrets out of what is said and written.
    say
        Told what a person should know.
    run_id
        Which run; without it the newest that was published.
    again
        Send also what may have arrived; the mail keeps its Message-ID, by which many servers drop a second one.
    only_alerts
        Send only to targets that were last told of other alerts than fire now.

    Raises
    ------
    CjlibError
        If there is no such run, or another process is sending.
    """
    runs = _runs(out, run_id)
    for target in delivery.to:
        check(target, delivery)
    newest = run_id is None or runs[0].id == _runs(out, None)[0].id
    attach = delivery.attach if newest else ()
    message, notes = message_of(out, runs, links=delivery.links, attach=attach)
    if delivery.attach and not newest:
        notes.append("No reports are attached: those in the folder are of a later run.")
    for note in [*notes, *_open_before(runs, delivery)]:
        say(note)
    with _alone(out):
        return [
            Sent(target, NOTHING_NEW)
            if only_alerts and _knows(target, runs)
            else _one(target, runs[0], delivery, message, mask, again)
            for target in delivery.to
        ]


def _open_before(runs: Sequence[Run], delivery: Delivery) -> list[str]:
    """What became of the run before this one, where it did not reach a target."""
    if len(runs) < 2:
        return []
    run = runs[1]
    states = {target: Journal(run).state(target) for target in delivery.to}
    return [
        f"The run before, {run.id}, {'may not have reached' if state in IN_DOUBT else 'did not reach'} {target}; cj send --run {run.id}{' --again' if state in IN_DOUBT else ''} sends it."
        for target, state in states.items()
        if state and state not in DONE
    ]


def _knows(target: str, runs: Sequence[Run]) -> bool:
    """Whether the target was last told of the alerts that fire now: of none, if it was never told of any."""
    if Journal(runs[0]).state(target):
        return False  # this run has begun to be sent: `_one` knows how it ended
    told = next((run for run in runs[1:] if Journal(run).state(target) in DONE), None)
    return _firing(runs[0]) == (_firing(told) if told else set())


def _firing(run: Run) -> set[str]:
    return {alert["alert"] for alert in run.facts.get("alerts", []) if alert["fired"]}


def _runs(out: Path, run_id: str | None) -> list[Run]:
    """Published runs, newest first, from the one that is meant."""
    published = [run for run in read_runs(out) if run.status == OK]
    if run_id is not None:
        names = [run.id for run in published]
        if run_id not in names:
            raise CjlibError(
                f"--run: there is no published run {shown(run_id)} in {shown(str(out))}. The newest: {', '.join(names[:3]) or 'none'}."
            )
        return published[names.index(run_id) :]
    if not published:
        raise CjlibError(
            f"--out: no run has been published in {shown(str(out))}. Make one: cj run."
        )
    return published


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Only one process sends from a folder."""
    lock = FileLock(out / ".sending")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CjlibError(
            f"--out: another process is sending from {shown(str(out))}. Wait until it has ended."
        ) from None
    with lock:
        yield


def _one(
    target: str, run: Run, delivery: Delivery, message: Message, mask: Mask, again: bool
) -> Sent:
    journal = Journal(run)
    state = journal.state(target)
    if state in DONE:
        return Sent(target, "already sent")
    stamp = _stamp(run, target, delivery)
    if state in IN_DOUBT and not again:
        return Sent(
            target,
            UNCLEAR,
            f"an earlier call handed it over and learned no more; message {stamp.id}",
        )
    journal.note(target, STARTED, id=stamp.id)
    try:
        send(target, delivery, message, stamp, lambda: journal.note(target, HANDING))
    except Refused as fault:
        journal.note(target, REFUSED, why=mask(str(fault)))
        return Sent(target, REFUSED, mask(str(fault)))
    except Unclear as fault:
        journal.note(target, UNCLEAR, why=mask(str(fault)))
        return Sent(target, UNCLEAR, f"{mask(str(fault))}; message {stamp.id}")
    journal.note(target, SENT)
    return Sent(target, SENT)


def _stamp(run: Run, target: str, delivery: Delivery) -> Stamp:
    """The same for the same run and target, whoever asks and when."""
    digest = hashlib.sha256(f"{run.id}\n{target}".encode()).hexdigest()[:20]
    sender = SENDER.fullmatch(delivery.from_ or "")
    address = (sender["address"] or sender[0]) if sender else "reports@journey.invalid"
    return Stamp(
        f"{re.sub(r'[^A-Za-z0-9]', '', run.id)}.{digest}@{address.rpartition('@')[2]}",
        datetime.fromisoformat(run.facts["finished"]),
    )
