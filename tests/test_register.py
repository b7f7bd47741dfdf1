"""The register: what happens after the seal, and when, by clocks that could be trusted."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.agreement import Party
from appliance.clock import rfc3339
from appliance.disk import RealDisk
from appliance.journal import Chain, Value, check
from appliance.register import Hold, Register
from tests.disks import SimulatedDisk, failing, sound

AT = datetime(2026, 11, 23, 13, tzinfo=UTC)
NOW: dict[str, Value] = {"wall": "2026-11-23T13:00:00.000Z", "mono_us": 7, "trust": "ntp"}
SEALED: dict[str, Value] = {"id": "aaaa", "folder": "a", "sha256": "f" * 64, "milliseconds": 61_500, "interrupted": True, **NOW}
VERIFIED: dict[str, Value] = {
    "id": "aaaa",
    "stick": "/media/a",
    "folder": "2026-11-23 14.00 gesprek aaaa",
    "method": "direct",
    "bytes": 7,
    **NOW,
}


def test_the_register_knows_after_a_restart_what_it_was_told(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    assert register.order == []
    register.add("begun", {"id": "aaaa", "folder": "a", **NOW})
    register.add("begun", {"id": "0000", "folder": "0", **NOW})
    register.add("sealed", SEALED)
    register.add("verified", VERIFIED)
    register.add("received", {"id": "aaaa", "party": "client", **NOW})
    register.add("later", {"id": "aaaa", "party": "professional", **NOW})
    register.add("declined", NOW)
    register.add("declined", NOW)
    register.add("removed", {"id": "0000", "why": "without a frame", **NOW})
    register.close()
    for known in (register, Register.open(RealDisk(), tmp_path / "register.jsonl")):
        kept = known.of("aaaa")
        assert (kept.sha256, kept.seconds, kept.interrupted, kept.sealed_at) == ("f" * 64, 61.5, True, AT)
        assert [(copy.stick, copy.method, copy.bytes) for copy in kept.copies] == [("/media/a", "direct", 7)]
        assert (kept.received, kept.later, kept.handed_over) == ({Party.CLIENT}, {Party.PROFESSIONAL}, False)
        assert known.order == ["aaaa", "0000"], "as they were begun, whatever they are called"
        assert known.declined == 2
        assert known.knows("aaaa")
        assert not known.knows("zzzz")


def test_the_days_that_both_agreed_to_are_known_after_a_restart_too(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    register.add("begun", {"id": "aaaa", "folder": "a", "days": [3, 9], **NOW})
    register.add("begun", {"id": "0000", "folder": "0", **NOW})
    register.close()
    for known in (register, Register.open(RealDisk(), tmp_path / "register.jsonl")):
        assert (known.of("aaaa").promised_days, known.of("0000").promised_days) == ((3, 9), None)


def test_who_said_later_and_received_after_all_has_received(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    register.add("later", {"id": "aaaa", "party": "client", **NOW})
    register.add("received", {"id": "aaaa", "party": "client", **NOW})
    register.add("handed-over", {"id": "aaaa", **NOW})
    assert (register.of("aaaa").received, register.of("aaaa").later) == ({Party.CLIENT}, set())
    assert register.of("aaaa").handed_over


def test_a_line_is_durable_when_it_was_added_and_one_that_was_refused_goes_along_with_the_next(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    disk = SimulatedDisk(room)
    register = Register.open(disk, room / "register.jsonl")
    register.add("begun", {"id": "aaaa", "folder": "a", **NOW})
    disk.fault = failing({len(disk.steps) + 1})
    with pytest.raises(OSError, match="fault"):
        register.add("begun", {"id": "bbbb", "folder": "b", **NOW})
    disk.fault = sound
    register.add("begun", {"id": "cccc", "folder": "c", **NOW})
    with tempfile.TemporaryDirectory() as found:
        disk.after_power_cut(len(disk.steps), Path(found), None)
        assert Register.open(RealDisk(), Path(found) / "register.jsonl").order == ["aaaa", "bbbb", "cccc"]


def test_the_register_is_chained(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    register.add("declined", NOW)
    checked = check((tmp_path / "register.jsonl").read_bytes())
    assert checked.broken is None
    assert checked.chain != Chain()


def at(moment: datetime, trust: str, seconds: float = 7, boot: str = "first") -> dict[str, Value]:
    return {"wall": rfc3339(moment), "mono_us": int(seconds * 1e6), "trust": trust, "boot": boot}


LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_time_by_a_clock_that_nobody_trusts_is_none(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    register.add("begun", {"id": "aaaa", "folder": "a", **at(LONG_AGO, "none")})
    assert register.of("aaaa").begun_at is None
    assert register.newest is None
    assert register.has_undated


def test_a_clock_that_is_set_right_in_the_same_boot_tells_how_long_ago_it_was(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    register.add("begun", {"id": "aaaa", "folder": "a", **at(LONG_AGO, "none", seconds=100)})
    register.add("handed-over", {"id": "aaaa", **at(LONG_AGO, "none", seconds=3700)})
    register.add("clock", {"jumped_ms": 1, **at(AT, "ntp", seconds=7300)})
    for known in (register, Register.open(RealDisk(), tmp_path / "register.jsonl")):
        kept = known.of("aaaa")
        assert (kept.begun_at, kept.handed_over_at, kept.not_after) == (AT - 2 * HOUR, AT - HOUR, None)
        assert not known.has_undated


def test_in_another_boot_it_is_only_known_not_to_be_later(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    register.add("begun", {"id": "aaaa", "folder": "a", **at(LONG_AGO, "none", seconds=100)})
    register.add("clock", {"jumped_ms": None, **at(AT, "confirmed", seconds=7, boot="second")})
    assert (register.of("aaaa").begun_at, register.of("aaaa").not_after) == (None, AT)


def test_a_clock_that_is_confirmed_is_believed_though_one_before_ran_ahead(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    register.add("declined", at(AT + 3650 * 24 * HOUR, "battery"))
    register.add("declined", at(AT, "ntp"))
    assert register.newest == AT + 3650 * 24 * HOUR
    register.add("clock-confirmed", {"by": "jo", "set": True, **at(AT + HOUR, "confirmed")})
    assert register.newest == AT + HOUR


def test_a_hold_stands_until_it_is_released(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    register.add("held", {"id": "aaaa", "reason": "complaint 7", "until": rfc3339(AT), "by": "jo", **NOW})
    assert Register.open(RealDisk(), tmp_path / "register.jsonl").of("aaaa").hold == Hold("complaint 7", AT, "jo")
    register.add("held", {"id": "aaaa", "reason": "appeal", "until": None, "by": "jo", **NOW})
    assert register.of("aaaa").hold == Hold("appeal", None, "jo")
    register.add("released", {"id": "aaaa", "by": "jo", **NOW})
    assert register.of("aaaa").hold is None


def test_a_deletion_that_was_begun_and_not_ended_is_known_at_the_next_start(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    for which in ("aaaa", "bbbb"):
        register.add("deleting", {"id": which, "folder": which, "why": "due", "by": "jo", **NOW})
    register.add("deleted", {"id": "aaaa", "receipt": "0" * 64, **NOW})
    assert Register.open(RealDisk(), tmp_path / "register.jsonl").being_deleted == ["bbbb"]


def damaged_register(folder: Path, line: int) -> Path:
    """A held recording among others, with one bit flipped in a line."""
    path = folder / "register.jsonl"
    register = Register.open(RealDisk(), path)
    register.add("begun", {"id": "aaaa", "folder": "a", **NOW})
    register.add("sealed", SEALED)
    register.add("held", {"id": "aaaa", "reason": "complaint 7", "until": None, "by": "jo", **NOW})
    register.add("begun", {"id": "bbbb", "folder": "b", **NOW})
    register.add("handed-over", {"id": "bbbb", **NOW})
    register.close()
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line][:20] + bytes([lines[line][20] ^ 1]) + lines[line][21:]
    path.write_bytes(b"".join(lines))
    return path


@pytest.mark.parametrize("line", range(5))
def test_one_wrong_bit_costs_no_more_than_its_own_line_and_is_told(line: int, tmp_path: Path) -> None:
    path = damaged_register(tmp_path, line)
    before = path.read_bytes()
    register = Register.open(RealDisk(), path)
    assert register.was_damaged is (line < 4), "a last line that does not hold may be torn"
    if line != 2:
        assert register.of("aaaa").hold == Hold("complaint 7", None, "jo")
    if line != 4:
        assert register.of("bbbb").handed_over
    register.close()
    again = Register.open(RealDisk(), path)
    assert (again.was_damaged, again.of("aaaa").hold, again.order) == (False, register.of("aaaa").hold, register.order)
    assert check(path.read_bytes()).broken is None
    if line < 4:
        assert before in [kept.read_bytes() for kept in (tmp_path / "set aside").iterdir()]


def test_more_noise_behind_a_register_than_a_power_cut_leaves_keeps_nobody_from_meeting(tmp_path: Path) -> None:
    path = damaged_register(tmp_path, 4)
    path.write_bytes(path.read_bytes() + b'{"event":"noise"}\n' * 10_000)
    register = Register.open(RealDisk(), path)
    assert register.was_damaged
    assert register.of("aaaa").hold is not None
