"""`doctor` and `devices`: each part is looked at, with the service and without it, and what is wrong says what to do."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from appliance import protocol
from appliance.audio.listing import HeardLevel, level_at, microphones
from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import SourceError
from appliance.client import ask
from appliance.config import places
from appliance.disk import RealDisk
from appliance.doctor import Finding, Machine, examine, judged_clock, judged_level, support_file
from appliance.plugged_in import look
from appliance.settings import change
from tests.room_parts import RoomMicrophone, Table, counting, write_wav
from tests.test_cli import run

PARTS = ["configuration", "service", "microphone", "sticks", "pins", "store", "space", "clock", "power", "units"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One with nothing that tells of its health."""
    return Machine(tmp_path / "hwmon", tmp_path / "dev", tmp_path / "no-systemd", f"unix:path={tmp_path}/no-bus", ("false",))


def found(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


def all_say_something(findings: list[Finding]) -> bool:
    return all(finding.says.endswith(".") and (finding.state == "ok" or finding.next) for finding in findings)


# ── with the service, and without it


def test_without_a_service_every_part_is_looked_at_all_the_same(tmp_path: Path, machine: Machine) -> None:
    findings = examine(places(tmp_path), installed=False, machine=machine)
    assert [finding.what for finding in findings] == PARTS
    assert all_say_something(findings)
    assert found(findings)["service"].state == "ok"
    assert not (tmp_path / "recordings").exists(), "looking changes nothing"


def test_an_installed_service_that_does_not_answer_is_trouble(tmp_path: Path, machine: Machine) -> None:
    machine.booted.mkdir()
    findings = found(examine(places(tmp_path), installed=True, machine=machine))
    for part in ("service", "sticks", "units"):
        assert findings[part].state == "trouble"
        assert "systemctl" in findings[part].next


def test_during_a_meeting_the_service_is_asked_what_it_hears_and_has(table: Table, machine: Machine) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.until(lambda snapshot: snapshot.level is not None and snapshot.level.level is not None)
    began = time.monotonic()
    findings = examine(table.where, installed=False, machine=machine)
    assert time.monotonic() - began < 1.5, "nobody else listened"
    parts = found(findings)
    assert all_say_something(findings)
    assert "agreed" in parts["service"].says
    assert "The service hears it now" in parts["microphone"].says
    assert "dBFS" in parts["microphone"].says
    assert "2 are in" in parts["sticks"].says
    assert table.status().state == "agreed", "asking changes nothing"


def test_what_is_wrong_is_trouble_with_what_to_do_and_status_1(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[audio]\nrate = 5\n[nonsense]\n")
    said = run("doctor", "--root", tmp_path, "--json")
    assert said.status == 1
    (first, *_) = said.json
    assert first == {
        "what": "configuration",
        "state": "trouble",
        "says": "2 things are wrong with it.",
        "next": "meeting-recorder config check",
    }
    said = run("doctor", "--root", tmp_path)
    assert said.status == 1
    assert "-> meeting-recorder config check" in said.out


def test_a_register_that_was_touched_is_found(tmp_path: Path, machine: Machine) -> None:
    (tmp_path / "recordings").mkdir()
    (tmp_path / "register.jsonl").write_text('{"event":"begun","n":5,"prev":"0"}\n')
    store = found(examine(places(tmp_path), installed=False, machine=machine))["store"]
    assert (store.state, "line 0" in store.says) == ("trouble", True)


def test_a_full_disk_is_found(tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("[meeting]\nminimum_free_hours = 24\n[audio]\nrate = 192000\nbits = 24\nchannels = 2\n")
    space = found(examine(places(tmp_path), installed=False, machine=machine))["space"]
    hours = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize / (192_000 * 6 * 3600)
    assert space.state == ("trouble" if hours < 24 else "ok")
    (tmp_path / "config.toml").write_text("")
    assert found(examine(places(tmp_path), installed=False, machine=machine))["space"].state == "ok"


# ── the microphone


@pytest.fixture
def hearing(microphone: RoomMicrophone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    for name, value in microphone.environment.items():
        monkeypatch.setenv(name, value)

    def play() -> None:
        write_wav(tmp_path / "sound.wav", counting(48_000 * 6))
        microphone.play(tmp_path / "sound.wav")

    return play


def test_a_real_microphone_is_listed_and_its_level_measured(
    hearing: Callable[[], None], tmp_path: Path, machine: Machine
) -> None:
    listed = [each.name for each in microphones()]
    assert any("roommic" in name or "room microphone" in name for name in listed), listed
    hearing()
    (tmp_path / "config.toml").write_text('[audio]\ndevice = "roommic"\n')
    told = found(examine(places(tmp_path), installed=False, machine=machine))["microphone"]
    assert told.state == "ok", told
    assert "dBFS" in told.says


def test_a_microphone_that_is_silent_is_trouble(hearing: Callable[[], None], microphone: RoomMicrophone, tmp_path: Path) -> None:
    write_wav(tmp_path / "silence.wav", counting(0) + type(counting(0))("h", bytes(48_000 * 8)))
    microphone.play(tmp_path / "silence.wav")
    heard = level_at(RoomMicrophone.DEVICE, PcmFormat(), 0.4, 0.5)
    assert heard.level is None
    assert judged_level(heard).state == "trouble"


@pytest.mark.parametrize(
    ("heard", "state"),
    [
        (HeardLevel("mic", -40.0, -12.0, 0, 1.5), "ok"), (HeardLevel("mic", -80.0, -70.0, 0, 1.5), "ok"),
        (HeardLevel("mic", -5.0, 0.0, 12, 1.5), "trouble"), (HeardLevel("mic", None, None, 0, 1.5), "trouble"),
    ],
)  # fmt: skip
def test_a_level_is_judged_by_what_can_go_wrong_with_it(heard: HeardLevel, state: str) -> None:
    assert judged_level(heard).state == state


def test_no_microphone_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no-such-microphone"):
        level_at("device:no-such-microphone", PcmFormat(), 0.4, 0.2)


# ── pins, power, clock


def test_pins_are_looked_for_where_they_are_wanted(tmp_path: Path, machine: Machine) -> None:
    def pins(config: str) -> Finding:
        (tmp_path / "config.toml").write_text(config)
        return found(examine(places(tmp_path), installed=False, machine=machine))["pins"]

    assert pins("").state == "ok"
    assert pins('[pins]\nfactory = "lgpio"\n').state == "trouble"
    assert "switched off" in pins('[pins]\nfactory = "none"\n').says
    machine.devices.mkdir()
    (machine.devices / "gpiochip0").touch()
    assert "lines 17, 27" in pins("").says


@pytest.mark.parametrize(
    ("alarm", "throttled", "state", "says"),
    [
        ("1", "0x0", "trouble", "now"), ("0", "0x50005", "ok", "strong"), (None, "0x50000", "trouble", "since the machine started"),
        (None, "0x50005", "trouble", "now"), (None, "0x0", "ok", "strong"), (None, "nonsense", "ok", "does not tell"),
    ],
)  # fmt: skip
def test_a_supply_that_is_too_weak_is_found(tmp_path: Path, alarm: str | None, throttled: str, state: str, says: str) -> None:
    sensors = tmp_path / "hwmon"
    if alarm is not None:
        (sensors / "hwmon1").mkdir(parents=True)
        (sensors / "hwmon1/in0_lcrit_alarm").write_text(f"{alarm}\n")
    machine = Machine(sensors, tmp_path / "dev", tmp_path / "no", f"unix:path={tmp_path}/no", ("echo", f"throttled={throttled}"))
    power = found(examine(places(tmp_path), installed=False, machine=machine))["power"]
    assert power.state == state
    assert says in power.says


@pytest.mark.parametrize(
    ("trust", "since", "state", "asks"),
    [
        ("ntp", 0, "ok", False), ("confirmed", 99, "ok", False), ("none", None, "ok", True), ("none", 13, "ok", True),
        ("none", 15, "trouble", True), ("none", -15, "trouble", True),
    ],
)  # fmt: skip
def test_a_clock_that_nobody_vouches_for_is_trouble_when_it_lasts_longer_than_the_retention(
    trust: str, since: int | None, state: str, asks: bool
) -> None:
    told = judged_clock(trust, None if since is None else timedelta(days=since), 14)
    assert told.state == state
    assert ("clock confirm" in told.next) is asks


# ── for whoever helps


PLANTED = {"Roosmarijn", "roosmarijn", "ZORGHUIS", "zorghuis", "STICKJE", "AFSPRAAK", "geheim", "klacht"}


def test_the_file_for_support_names_nobody_and_tells_nothing_of_a_meeting(tmp_path: Path) -> None:
    table = Table(tmp_path / "room", (tmp_path / "STICKJE-1", tmp_path / "STICKJE-2"))
    for folder in (table.root, *table.sticks):
        folder.mkdir()
    for key, value in (("organisation.name", "ZORGHUIS"), ("organisation.contact", "Roosmarijn, roosmarijn@zorghuis.example")):
        change(RealDisk(), table.where, key, value)
    agreement = table.root / "agreement/nl"
    agreement.mkdir(parents=True)
    (agreement / "agreement.txt").write_text("AFSPRAAK van {organisation} tot {date}: {contact}.")
    table.serve("--source", "synthetic")
    try:
        table.do(protocol.AnnounceRequest())
        table.do(protocol.DeclineRequest(note="geheim"))
        table.do(protocol.CancelRequest())
        table.agree()
        table.do(protocol.StartRequest())
        time.sleep(0.3)
        table.do(protocol.StopRequest())
        done = table.until_state("handover")
        assert done.recording is not None
        ask(table.where.admin_socket, protocol.HoldRecordingRequest(done.recording.id, "klacht van Roosmarijn"))
        said = run("doctor", "--root", table.root, "--report", tmp_path / "report.json", "--json")
        text = (tmp_path / "report.json").read_text()
    finally:
        table.close()
    assert "Traceback" not in said.err
    for word in (*PLANTED, done.recording.id, done.recording.folder, done.recording.sha256 or "", str(tmp_path)):
        assert word not in text, word
    told = json.loads(text)
    assert told["register"]["begun"] == 1
    assert told["register"]["held"] == 1
    assert told["configuration"]["organisation"]["name"] is True
    assert [finding["what"] for finding in told["findings"]] == PARTS


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    said = run("doctor", "--root", tmp_path, "--report", "/proc/no/report")
    assert said.status == 1
    assert "/proc/no/report" in said.err


def test_the_report_is_told_of_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[organisation]\nname = "Roosmarijn"\nx = 1\n')
    text = support_file(places(tmp_path), [])
    assert json.loads(text)["configuration"]["problems"] == 1
    assert "Roosmarijn" not in text


# ── devices


def test_devices_never_fail_and_say_what_is_missing(tmp_path: Path) -> None:
    seen = look((17, 27), f"unix:path={tmp_path}/no-bus", tmp_path)
    assert (len(seen.sticks), len(seen.chips)) == (0, 0)
    assert sum("No stick can be looked for" in words for words in seen.missing) == 1
    assert sum("No pins" in words for words in seen.missing) == 1
    said = run("devices", "--root", tmp_path, "--json")
    assert said.status == 0
    assert {"microphones", "sticks", "chips", "missing"} <= said.json.keys()
    assert run("devices", "--root", tmp_path).status == 0


def test_what_looks_like_a_chip_and_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "gpiochip0").write_text("")
    seen = look((17,), f"unix:path={tmp_path}/no-bus", tmp_path)
    assert any("gpiochip0 cannot be looked at" in words for words in seen.missing)
