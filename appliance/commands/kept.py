"""What the appliance keeps, and for how long: for administrators, and a copy made later, for everybody in the room."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NoReturn

import click

from appliance import protocol
from appliance.agreement import PARTIES, Party
from appliance.commands.common import DONE, NOT_DONE, ask_service, everywhere, example, in_json, leave, text
from appliance.protocol import CopyView, Fates, KeptRecording, Recordings, Reply, Request, Snapshot

id_argument = click.argument("recording_id", metavar="ID", callback=text)
LOOK_EVERY_SECONDS = 0.3


@click.group(epilog=example("recordings list --json", 'recordings hold k7qm --reason "complaint 2026-14" --until 2027-01-31'))
def recordings() -> None:
    """What the appliance keeps (administrators)."""


@recordings.command("list", epilog=example("recordings list --json"))
@everywhere
def list_recordings(root: Path | None, as_json: bool) -> None:
    """The recordings that the appliance keeps, and what became of their copies."""
    kept = _recordings(_ask(root, protocol.RecordingsRequest()))
    if as_json:
        click.echo(in_json(kept))
        return
    for recording in kept:
        click.echo(_line(recording))


@recordings.command(epilog=example("recordings show k7qm"))
@id_argument
@everywhere
def show(recording_id: str, root: Path | None, as_json: bool) -> None:
    """All that the appliance knows of one recording."""
    kept = [row for row in _recordings(_ask(root, protocol.RecordingsRequest())) if row.id == recording_id]
    if not kept:
        leave(NOT_DONE, f"The appliance keeps no recording {recording_id}.")
    _told(kept[0], as_json=as_json)


@recordings.command(epilog=example('recordings hold k7qm --reason "complaint 2026-14" --until 2027-01-31'))
@id_argument
@click.option("--reason", required=True, callback=text, help="Which procedure; no names.")
@click.option("--until", callback=text, help="A day after which it goes, such as 2027-01-31. [default: until it is released]")
@everywhere
def hold(recording_id: str, reason: str, until: str | None, root: Path | None, as_json: bool) -> None:
    """Keep a recording longer, because a procedure is running."""
    _told(*_recordings(_ask(root, protocol.HoldRecordingRequest(recording_id, reason, until))), as_json=as_json)


@recordings.command(epilog=example("recordings release k7qm"))
@id_argument
@everywhere
def release(recording_id: str, root: Path | None, as_json: bool) -> None:
    """The procedure is over: the recording goes when its days are over."""
    _told(*_recordings(_ask(root, protocol.ReleaseRequest(recording_id))), as_json=as_json)


@recordings.command(epilog=example("recordings delete k7qm --both-agreed"))
@id_argument
@click.option("--both-agreed", is_flag=True, help="Both parties want it erased.")
@everywhere
def delete(recording_id: str, both_agreed: bool, root: Path | None, as_json: bool) -> None:
    """Erase the appliance's own copy now. The copies on the sticks stay with the parties."""
    kept = _recordings(_ask(root, protocol.DeleteRequest(recording_id, both_agreed)))
    click.echo(in_json(kept) if as_json else f"{recording_id} was erased. The receipt is signed, and the register knows.")


@recordings.command(epilog=example("recordings reissue k7qm"))
@id_argument
@everywhere
def reissue(recording_id: str, root: Path | None, as_json: bool) -> None:
    """Copy a recording anew, to the sticks that are in: one was lost."""
    _copy(root, recording_id, administrator=True, as_json=as_json)


@click.command(epilog=example("copy k7qm"))
@id_argument
@everywhere
def copy(recording_id: str, root: Path | None, as_json: bool) -> None:
    """Copy a recording that the appliance still keeps to the sticks that are in."""
    _copy(root, recording_id, administrator=False, as_json=as_json)


@click.command("take-in", epilog=example("take-in /media/stick/gesprek.m4a --party client"))
@click.argument("file", type=click.Path(path_type=Path), callback=text)
@click.option(
    "--party", type=click.Choice([party.value for party in PARTIES]), default="client", show_default=True, help="Who brought it."
)
@everywhere
def take_in(file: Path, party: str, root: Path | None, as_json: bool) -> None:
    """Take in a recording that a party made on their own phone, from a stick that is in; the other party gets a copy."""
    from appliance.config import places

    reply = ask_service(places(root).control_socket, protocol.TakeInRequest(str(file.absolute()), Party(party)))
    if not isinstance(reply, Snapshot):
        leave(NOT_DONE, getattr(reply, "says", "The service gave another answer than asked."))
    _tell_copies(_until_copied(places(root).control_socket, "copies", reply, show=not as_json), as_json=as_json)


@click.group(epilog=example("retention preview", "retention run"))
def retention() -> None:
    """How long the appliance keeps its own copies (administrators)."""


@retention.command(epilog=example("retention preview --json"))
@everywhere
def preview(root: Path | None, as_json: bool) -> None:
    """What would go now, what not, and why."""
    _tell_fates(_fates(_ask(root, protocol.RetentionPreviewRequest())), as_json=as_json)


@retention.command(epilog=example("retention run", "retention run --expect 12"))
@click.option("--expect", type=click.IntRange(min=0), help="How many you expect to go, having looked at the preview.")
@everywhere
def run(expect: int | None, root: Path | None, as_json: bool) -> None:
    """Erase what is due. When something looks wrong nothing is erased, and it says why."""
    done = _fates(_ask(root, protocol.RetentionRunRequest(expect)))
    _tell_fates(done, as_json=as_json)
    sys.exit(NOT_DONE if any(fate.decision == "refused" for fate in done.fates) else DONE)


# ── asking and telling ──


def _ask(root: Path | None, request: Request) -> Reply:
    from appliance.config import places

    return ask_service(places(root).admin_socket, request)


def _recordings(reply: Reply) -> list[KeptRecording]:
    if not isinstance(reply, Recordings):
        leave(NOT_DONE, getattr(reply, "says", "The service gave another answer than asked."))
    return reply.recordings


def _fates(reply: Reply) -> Fates:
    if not isinstance(reply, Fates):
        leave(NOT_DONE, getattr(reply, "says", "The service gave another answer than asked."))
    return reply


def _tell_fates(told: Fates, *, as_json: bool) -> None:
    if as_json:
        click.echo(in_json(told.fates))
        return
    for fate in told.fates:
        click.echo(f"{fate.id}  {fate.decision:8}  {fate.goes_at or '-':24}  {fate.why}")
    if told.erased:
        click.echo(f"Erased: {', '.join(told.erased)}.")


def _line(kept: KeptRecording) -> str:
    cut = ", interrupted" if kept.interrupted else ""
    held = ", held" if kept.hold else ""
    return f"{kept.id}  {kept.seconds:9.1f} s  {len(kept.copies)} verified copies{cut}{held}  {kept.folder}"


def _told(kept: KeptRecording, *, as_json: bool) -> None:
    if as_json:
        click.echo(in_json(kept))
        return
    click.echo(_line(kept))
    click.echo(f"begun {kept.begun or 'at an unknown time'}; goes at {kept.goes_at or 'no time that is known yet'}")
    if kept.hold:
        click.echo(f"held until {kept.hold_until or 'it is released'}: {kept.hold_reason}")
    click.echo(f"received: {', '.join(kept.received) or 'by nobody'}")
    click.echo(f"sha256 {kept.sha256}\njournal {kept.journal}")
    for each in kept.copies:
        click.echo(f"verified on {each.label or each.stick}: {each.folder}")


def _copy(root: Path | None, recording_id: str, *, administrator: bool, as_json: bool) -> None:
    from appliance.config import places

    where = places(root)
    reply = ask_service(where.admin_socket if administrator else where.control_socket, protocol.CopyRequest(recording_id))
    if not isinstance(reply, Snapshot):
        leave(NOT_DONE, getattr(reply, "says", "The service gave another answer than asked."))
    _tell_copies(_until_copied(where.control_socket, recording_id, reply, show=not as_json), as_json=as_json)


def _tell_copies(copies: list[CopyView], *, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(in_json(copies))
    else:
        for each in copies:
            click.echo(f"{each.label or each.stick}: {each.state}{f' ({each.says})' if each.says else ''}")
    sys.exit(DONE if copies and all(each.state == "verified" for each in copies) else NOT_DONE)


def _until_copied(control: Path, recording_id: str, now: Snapshot, *, show: bool) -> list[CopyView]:
    """Follow the copies with a bar, until each is verified or cannot be."""
    with click.progressbar(length=100, label=recording_id, file=sys.stderr, hidden=not show) as bar:
        shown = 0
        while any(each.state in {"waiting", "following"} for each in now.copies):
            done = sum(each.verified_bytes for each in now.copies) * 100 // max(1, sum(each.bytes for each in now.copies))
            bar.update(max(0, done - shown))
            shown = max(shown, done)
            time.sleep(LOOK_EVERY_SECONDS)
            reply = ask_service(control, protocol.StatusRequest())
            now = reply if isinstance(reply, Snapshot) else now
        bar.update(100 - shown)
    return list(now.copies)
