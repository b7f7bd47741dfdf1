"""The command line: a contract of names, exit statuses and JSON; never a traceback, always a sentence."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from click.testing import CliRunner

from appliance import protocol
from appliance.cli import main
from tests.room_parts import Table, register_of
from tests.test_words import left_out_words

DONE, NOT_DONE, ASKED_WRONGLY, NO_SERVICE = 0, 1, 2, 3
ROOM = ("announce", "start", "pause", "resume", "join", "sum-up", "stop", "cancel", "switch-off", "status")
ROOM_WITH_WORDS = {
    "confirm": ("client",),
    "mark": ("professional",),
    "received": ("client",),
    "later": ("client",),
    "decline": ("--alternative", "follow-up"),
}
CONTRACT = {
    "room status": {"state", "confirmed", "storing", "light", "trouble", "recording", "copies"},
    "recording": {"id", "folder", "frames", "seconds", "gaps", "interrupted", "sha256"},
    "copy": {"stick", "folder", "state", "bytes", "verified_bytes"},
    "recordings list": {"id", "folder", "seconds", "sha256", "interrupted", "copies", "goes_at", "hold"},
    "verify": {"verdict", "findings", "forgiven", "signature"},
    "signature": {"state", "key", "known"},
    "of two": {"equal", "first_difference_seconds"},
    "finding": {"what", "file", "from_seconds", "to_seconds", "says"},
}


class Said(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line, as the contract says."""
        return json.loads(self.out.rstrip("\n").rpartition("\n")[2])


def run(*words: str | Path) -> Said:
    """A command, in this process."""
    ran = CliRunner().invoke(main, [str(word) for word in words])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exc_info
    return Said(ran.exit_code, ran.stdout, ran.stderr)


def run_outside(*words: str | Path | bytes, **more: Any) -> Said:
    """A command, in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-m", "appliance", *words],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=20,
        check=False,
        **more,
    )
    return Said(ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def is_a_sentence(text: str) -> bool:
    return "Traceback" not in text and text.strip() != "" and text.strip()[-1] in ".?"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


# ── help


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield (), main
    for name, command in main.commands.items():
        yield (name,), command
        if isinstance(command, click.Group):
            yield from (((name, inner), sub) for inner, sub in command.commands.items())


def test_the_commands_of_the_contract_are_there() -> None:
    there = {" ".join(path) for path, _ in commands()}
    assert {f"room {name}" for name in (*ROOM, *ROOM_WITH_WORDS, "watch")} | {
        "demo", "serve", "ui", "verify", "copy", "recordings list", "recordings show", "recordings hold", "recordings release",
        "recordings reissue", "recordings delete", "retention preview", "retention run", "clock show", "clock confirm", "clock set",
        "config check", "config set", "devices", "doctor", "website",
    } <= there  # fmt: skip


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_every_command_helps_with_an_example_and_in_words_of_the_room(path: tuple[str, ...]) -> None:
    for word in ("--help", "-h"):
        said = run(*path, word)
        assert said.status == DONE
    assert re.search(rf"meeting-recorder {' '.join(path)}", said.out[said.out.index("\n") :]), "no example"
    assert left_out_words(said.out) == []


@pytest.mark.parametrize("path", [path for path, command in commands() if not isinstance(command, click.Group)], ids=" ".join)
def test_every_command_takes_root_and_json_after_its_last_word(path: tuple[str, ...]) -> None:
    said = run(*path, "--help")
    assert "--root DIRECTORY" in said.out
    assert "--json" in said.out


@pytest.mark.parametrize("path", [path for path, _ in commands() if path], ids=" ".join)
def test_every_example_is_asked_rightly(path: tuple[str, ...]) -> None:
    said = run(*path, "--help")
    for line in re.findall(r"(?<=meeting-recorder ).*", said.out[said.out.index("\n") :]):
        words = re.findall(r'"[^"]*"|\S+', line)
        command: click.Command = main
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        command.make_context("example", [word.strip('"') for word in words])


# ── asked wrongly


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",), ("room", "dance"), ("recordings", "burn"), ("room",), (), ("room", "status", "--colour"),
        ("room", "confirm"), ("room", "confirm", "neighbour"), ("room", "later", ""), ("room", "received", "Client"), ("room", "mark"),
        ("room", "decline"), ("room", "decline", "--note", "x"), ("room", "decline", "--alternative", "tea"), ("room", "start", "now"),
        ("verify",), ("verify", "a", "b", "c"), ("verify", "/no/such/copy"), ("demo", "--seconds", "3"),
        ("demo", "--headless", "--seconds", "0"), ("demo", "--headless", "--seconds", "soon"), ("demo", "--headless", "--seconds", "nan"),
        ("config",), ("config", "set"), ("config", "set", "organisation.name"), ("config", "set", "audio.rate", "8000"),
        ("devices", "all"), ("doctor", "--report"), ("website", "a", "b"),
        ("serve", "--source", "gramophone"), ("serve", "--source", "wav:/no/such.wav"),
        ("serve", "--source", "wav:/etc/passwd"), ("serve", "--source", "device", "--pace", "fast"),
        ("serve", "--source", "synthetic", "--pace", "0"), ("serve", "--source", "synthetic", "--pace", "-2"),
        ("serve", "--source", "synthetic", "--pace", "soon"), ("serve", "--source", "synthetic", "--pace", "inf"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_asked_wrongly_is_status_2_with_words(words: tuple[str, ...]) -> None:
    said = run(*words)
    assert said.status == ASKED_WRONGLY
    assert said.out == "" or words in {(), ("room",), ("config",)}
    assert said.err.strip() != "" or words in {(), ("room",), ("config",)}


def test_root_and_json_come_after_the_last_word_only(root: Path) -> None:
    assert run("--root", root, "room", "status").status == ASKED_WRONGLY
    assert run("room", "--json", "status").status == ASKED_WRONGLY


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[audio]\nrate = 5\n", ["audio.rate", "48000"]),
        ("[audio]\nlatensy_seconds = 1\n", ["audio.latensy_seconds", "did you mean audio.latency_seconds?"]),
        ("[buton]\npins = [3]\n", ["buton", "did you mean [button]?"]),
        ("[button]\npins = 3\n", ["button.pins", "a list of at most 2"]),
        ("this is no TOML\n", ["line 1"]),
        ("[organisation]\nlanguage = 'fr'\n", ["fr", "nl, en"]),
        ("[organisation]\ntimezone = 'Europe/Amsterdm'\n", ["organisation.timezone", "Europe/Amsterdam"]),
    ],
)
def test_a_configuration_that_is_wrong_is_status_2_and_says_key_values_and_near_miss(
    root: Path, text: str, says: list[str]
) -> None:
    (root / "config.toml").write_text(text)
    said = run_outside("serve", "--root", root, "--source", "synthetic")
    assert said.status == ASKED_WRONGLY
    assert "Traceback" not in said.err
    assert all(words in said.err for words in says), said.err


def test_a_wording_that_is_broken_is_found_at_the_start(root: Path) -> None:
    (root / "agreement/nl").mkdir(parents=True)
    (root / "agreement/nl/agreement.txt").write_text("Wij spreken af tot {datum}.")
    said = run_outside("serve", "--root", root, "--source", "synthetic")
    assert said.status == ASKED_WRONGLY
    assert "{datum}" in said.err
    assert "date" in said.err
    assert is_a_sentence(said.err)


@pytest.mark.parametrize(
    "words",
    [
        (b"room", b"decline", b"--alternative", b"other", b"--note", b"\xff"), (b"room", b"announce", b"--language", b"\xff"),
        (b"room", b"status", b"--root", b"/tmp/\xff"), (b"serve", b"--source", b"wav:\xff"), (b"serve", b"--stick", b"/tmp/\xff"),
        (b"verify", b"\xff", b"--json"), (b"room", b"confirm", b"\xff"),
    ],
)  # fmt: skip
def test_words_that_are_no_text_are_asked_wrongly(words: tuple[bytes, ...]) -> None:
    said = run_outside(*words)
    assert said.status == ASKED_WRONGLY
    assert "Traceback" not in said.err


# ── what needs no service


def test_a_configuration_is_checked_with_its_wording_and_every_problem_is_told(root: Path) -> None:
    said = run("config", "check", "--root", root, "--json")
    assert (said.status, said.json["problems"], said.json["languages"], said.json["there"]) == (DONE, [], ["nl", "en"], False)
    (root / "config.toml").write_text("[audio]\nrate = 5\nlatensy_seconds = 1\n")
    (root / "agreement/en").mkdir(parents=True)
    (root / "agreement/en/agreement.txt").write_text("Until {datum}.")
    said = run("config", "check", "--root", root, "--json")
    assert said.status == ASKED_WRONGLY
    assert len(said.json["problems"]) == 3
    assert all(words in said.err for words in ("audio.rate", "did you mean audio.latency_seconds?", "{datum}"))
    assert run("config", "check", "--root", root).out == ""


def test_a_key_is_set_and_it_is_said_from_when_it_counts(root: Path) -> None:
    said = run("config", "set", "organisation.name", "Zorg", "--root", root)
    assert (said.status, said.err) == (DONE, "")
    assert "It counts when the service next starts" in said.out
    said = run("config", "set", "retention.keep_days", "3", "--root", root, "--json")
    assert said.json == {"file": str(root / "config.toml"), "key": "retention.keep_days", "value": "3"}
    before = (root / "config.toml").read_text()
    said = run("config", "set", "retention.keep_days", "99", "--root", root)
    assert said.status == ASKED_WRONGLY
    assert "Nothing was changed." in said.err
    assert (root / "config.toml").read_text() == before
    said = run("config", "set", "organisation.name", "x", "--root", "/proc/no-room-here")
    assert (said.status, is_a_sentence(said.err)) == (NOT_DONE, True)


def test_what_is_set_while_a_meeting_goes_on_leaves_the_meeting_and_its_promise_alone(table: Table) -> None:
    table.serve("--source", "synthetic")
    agreed = table.agree()
    for key, value in (("organisation.name", "Nieuwe naam"), ("retention.keep_days", "1")):
        assert run("config", "set", key, value, "--root", table.root).status == DONE
    started = table.do(protocol.StartRequest())
    assert started.agreement == agreed.agreement
    assert run("config", "set", "retention.keep_days_without_handover", "1", "--root", table.root).status == DONE
    table.do(protocol.StopRequest())
    table.until_state("handover")
    days = next(line for line in register_of(table) if line["event"] == "begun")["days"]
    assert days == [7, 14]


def test_rule_2_the_page_is_written_where_it_is_asked_for(root: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    said = run("website", page, "--root", root, "--json")
    assert said.status == DONE
    assert said.json == {"file": str(page), "languages": ["nl", "en"], "fingerprint": None, "missing": ["name", "contact"]}
    assert page.read_text().startswith("<!DOCTYPE html>")
    said = run("website", "/proc/no/page.html", "--root", root)
    assert (said.status, is_a_sentence(said.err)) == (NOT_DONE, True)
    (root / "config.toml").write_text("[audio]\nrate = 5\n")
    assert run("website", page, "--root", root).status == ASKED_WRONGLY


# ── no service


@pytest.mark.parametrize("name", [*ROOM, *ROOM_WITH_WORDS, "watch"])
def test_without_a_service_a_room_command_is_status_3(root: Path, name: str) -> None:
    for more in ((), ("--json",)):
        said = run("room", name, *ROOM_WITH_WORDS.get(name, ()), "--root", root, *more)
        assert (said.status, said.out) == (NO_SERVICE, "")
        assert is_a_sentence(said.err)


def test_without_a_service_the_recordings_are_status_3(root: Path) -> None:
    assert run("recordings", "list", "--root", root).status == NO_SERVICE
    assert run("recordings", "list", "--root", root / "not-there").status == NO_SERVICE


def test_a_screen_without_a_terminal_says_what_to_do(root: Path) -> None:
    said = run_outside("ui", "--root", root)
    assert (said.status, said.out) == (NOT_DONE, "")
    assert "room status" in said.err


def test_a_second_service_in_one_room_is_status_1(table: Table) -> None:
    table.serve("--source", "synthetic")
    said = run_outside("serve", "--root", table.root, "--source", "synthetic")
    assert said.status == NOT_DONE
    assert is_a_sentence(said.err)


def test_a_room_that_cannot_be_written_is_status_1_and_says_where() -> None:
    said = run_outside("serve", "--root", "/proc/no-room-here", "--source", "synthetic")
    assert said.status == NOT_DONE
    assert "/proc/no-room-here" in said.err
    assert "Traceback" not in said.err
    said = run_outside("demo", "--headless", "--root", "/proc/no-room-here")
    assert (said.status, said.out) == (NOT_DONE, "")
    assert "/proc/no-room-here" in said.err
    assert "Traceback" not in said.err


# ── the whole meeting, from a shell


def test_the_whole_meeting_is_walked_from_a_shell(table: Table) -> None:
    table.serve("--source", "synthetic")

    def room(*words: str) -> Any:
        said = run("room", *words, "--root", table.root, "--json")
        assert (said.status, said.err) == (DONE, ""), said
        assert CONTRACT["room status"] <= said.json.keys()
        return said.json

    def refused(*words: str) -> Any:
        said = run("room", *words, "--root", table.root, "--json")
        assert said.status == NOT_DONE
        assert is_a_sentence(said.err)
        return said.json

    assert room("status")["recording"] is None
    assert refused("start")["state"] == "idle"
    assert room("announce")["state"] == "announcing"
    assert refused("announce")["state"] == "announcing"
    assert room("confirm", "professional")["confirmed"] == ["professional"]
    assert refused("start")["state"] == "agreeing"
    assert room("cancel")["state"] == "idle"
    room("announce", "--language", "en")
    assert room("decline", "--alternative", "trusted")["state"] == "declined"
    assert room("cancel")["state"] == "idle"
    room("announce")
    room("confirm", "client")
    assert room("confirm", "professional")["state"] == "agreed"
    recording = room("start")
    assert (recording["state"], recording["storing"], recording["light"]) == ("recording", True, True)
    assert CONTRACT["recording"] <= recording["recording"].keys()
    assert len(recording["copies"]) == 2
    assert all(CONTRACT["copy"] <= copy.keys() for copy in recording["copies"])
    assert room("mark", "client")["state"] == "recording"
    assert room("pause")["state"] == "paused"
    assert refused("mark", "client")["storing"] is False
    assert refused("received", "client")["state"] == "paused"
    assert room("resume")["state"] == "recording"
    assert room("join")["state"] == "agreeing"
    assert room("confirm", "guest")["state"] == "agreed"
    assert room("start")["state"] == "recording"
    time.sleep(0.3)
    assert room("stop")["state"] in {"sealing", "copying", "handover"}
    table.until_state("handover")
    sealed = room("status")["recording"]
    assert re.fullmatch("[0-9a-f]{64}", sealed["sha256"])
    (kept,) = run("recordings", "list", "--root", table.root, "--json").json
    assert CONTRACT["recordings list"] <= kept.keys()
    assert (kept["id"], kept["sha256"], kept["interrupted"], kept["hold"]) == (sealed["id"], sealed["sha256"], False, False)
    assert kept["seconds"] == pytest.approx(sealed["seconds"], abs=0.001)
    assert [copy["state"] for copy in kept["copies"]] == ["verified", "verified"]
    assert refused("received", "guest")["received"] == []
    assert room("later", "client")["state"] == "handover"
    assert room("received", "professional")["state"] == "idle"
    said = run("room", "status", "--root", table.root)
    assert said.out.splitlines()[0] == "idle"
    assert sealed["id"] in run("recordings", "list", "--root", table.root).out

    one, other = table.copies()
    said = run("verify", one, other, "--root", table.root, "--json")
    assert said.status == DONE
    assert CONTRACT["verify"] | CONTRACT["of two"] <= said.json.keys()
    assert (said.json["verdict"], said.json["equal"], said.json["first_difference_seconds"]) == ("intact", True, None)
    assert CONTRACT["signature"] <= said.json["signature"].keys()

    (table.root / "config.toml").write_text("[nonsense]\n")
    with (other / "data/gesprek.wav").open("r+b") as wav:
        wav.seek(20_000)
        wav.write(b"\x01\x02\x03\x04")
    said = run("verify", other, "--root", table.root, "--json")
    assert said.status == NOT_DONE
    assert said.json["verdict"] == "changed"
    assert CONTRACT["verify"] <= said.json.keys()
    assert all(CONTRACT["finding"] <= finding.keys() for finding in said.json["findings"])
    assert "nonsense" in said.err
    assert run("verify", one, other, "--root", table.root).status == NOT_DONE
    assert run("verify", one, "--root", table.root).status == DONE
    assert "Traceback" not in (table.root / "service.log").read_text()


def test_what_the_service_does_not_know_is_asked_wrongly(table: Table) -> None:
    table.serve("--source", "synthetic")
    said = run("room", "announce", "--language", "fr", "--root", table.root)
    assert said.status == ASKED_WRONGLY
    assert "nl, en" in said.err
    said = run("room", "decline", "--alternative", "other", "--note", "x" * 100_000, "--root", table.root)
    assert said.status == ASKED_WRONGLY
    assert is_a_sentence(said.err)


def test_a_name_on_a_stick_that_is_no_text_is_told_all_the_same(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(protocol.StartRequest())
    time.sleep(0.2)
    table.do(protocol.StopRequest())
    table.until_state("handover")
    copy = table.copies()[0]
    Path(os.fsdecode(os.fsencode(copy) + b"/\xff.txt")).write_text("")
    for more in ((), ("--json",)):
        said = run_outside("verify", copy, *more, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})
        assert (said.status, said.err) == (NOT_DONE, "")
        assert "\N{REPLACEMENT CHARACTER}.txt" in said.out
    assert [finding["what"] for finding in said.json["findings"]] == ["added"]


# ── watching


def watching(table: Table, *more: str, **streams: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "appliance", "room", "watch", "--root", str(table.root), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **streams,
    )  # fmt: skip


def test_watch_prints_at_each_change_and_ends_when_interrupted(table: Table) -> None:
    table.serve("--source", "synthetic")
    with watching(table, "--json") as watch:
        assert watch.stdout is not None
        states = [json.loads(watch.stdout.readline())["state"]]
        table.do(protocol.AnnounceRequest())
        table.do(protocol.CancelRequest())
        while states[-1] != "idle" or "announcing" not in states:
            states.append(json.loads(watch.stdout.readline())["state"])
        watch.send_signal(signal.SIGINT)
        _, err = watch.communicate(timeout=10)
    assert states[0] == "idle"
    assert (watch.returncode, err) == (DONE, b"")


def test_watch_ends_quietly_when_nobody_reads_any_more(table: Table) -> None:
    table.serve("--source", "synthetic")
    with watching(table) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline() == b"idle\n"
        watch.stdout.close()
        table.do(protocol.AnnounceRequest())
        assert watch.wait(timeout=10) == DONE
        assert watch.stderr is not None
        assert watch.stderr.read() == b""


def test_watch_says_when_the_service_goes(table: Table) -> None:
    table.serve("--source", "synthetic")
    with watching(table) as watch:
        assert watch.stdout is not None
        watch.stdout.readline()
        assert table.stop() == 0
        _, err = watch.communicate(timeout=10)
    assert watch.returncode == NO_SERVICE
    assert is_a_sentence(err.decode())
    assert "Traceback" not in (table.root / "service.log").read_text()


def test_an_answer_into_a_closed_pipe_shows_no_traceback(table: Table) -> None:
    table.serve("--source", "synthetic")
    closed, ours = os.pipe()
    os.close(closed)
    ran = subprocess.run(
        [sys.executable, "-m", "appliance", "room", "status", "--root", table.root],
        stdout=ours,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(ours)
    assert ran.stderr == b""
