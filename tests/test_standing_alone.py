"""A copy that the service made, looked at by everybody else's tools, on a table where nothing of ours is left."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance import protocol
from appliance.cli import main
from appliance.signing import own_keys
from tests import outsiders
from tests.room_parts import Table, journal_of
from tests.test_main_job import same_folders


@dataclass(frozen=True)
class TakenHome:
    """Two copies, and what stands on the card of the room that they come from."""

    one: Path
    other: Path
    card: str


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> TakenHome:
    """Both copies of one meeting, away from the appliance."""
    folder = tmp_path_factory.mktemp("table")
    table = Table(folder / "room", (folder / "stick-a", folder / "stick-b"))
    for made in (table.root, *table.sticks):
        made.mkdir()
    try:
        table.serve("--source", "synthetic")
        table.agree()
        table.do(protocol.StartRequest())
        time.sleep(1.2)
        table.do(protocol.StopRequest())
        table.until_state("handover")
        one, other = table.copies()
        return TakenHome(one, other, card_of(table))
    finally:
        table.close()


def card_of(table: Table) -> str:
    return own_keys(table.root)[-1].fingerprint


def verified(*words: str | Path) -> tuple[int, dict[str, object]]:
    ran = CliRunner().invoke(main, ["verify", *map(str, words), "--json"])
    return ran.exit_code, json.loads(ran.output)


def test_every_tool_that_is_not_ours_finds_it_in_order(home: TakenHome) -> None:
    for copy in (home.one, home.other):
        assert outsiders.found_by(copy, home.card) == ()
        said = subprocess.run([sys.executable, "-m", "bagit", "--validate", copy], capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
        for independent in ("sha256sum --strict -c manifest-sha256.txt", "sha256sum --strict -c tagmanifest-sha256.txt"):
            assert subprocess.run(independent.split(), cwd=copy, capture_output=True, check=False).returncode == 0


def test_rule_4_the_two_are_the_same_in_every_name_byte_and_time(home: TakenHome) -> None:
    one, other = home.one, home.other
    names = {str(path.relative_to(one)) for path in one.rglob("*") if path.is_file()}
    assert names == {
        "LEESMIJ.html", "allowed_signers", "bag-info.txt", "bagit.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt",
        "tagmanifest-sha256.txt.sig", "tagmanifest-sha256.txt.tsq",
        "data/agreement.txt", "data/gesprek.wav", "data/journal.jsonl", "data/levels.csv",
    }  # fmt: skip
    assert same_folders(one, other)


def test_rule_4_what_windows_and_macos_leave_is_named_and_the_recording_is_intact(home: TakenHome, tmp_path: Path) -> None:
    one = Path(shutil.copytree(home.one, tmp_path / home.one.name))
    (one / "Thumbs.db").write_bytes(b"\0\1")
    (one / "data/._gesprek.wav").write_bytes(b"\0\5\x16\7")
    status, said = verified(one, "--key", home.card)
    assert (status, said["verdict"], said["forgiven"]) == (0, "intact", ["Thumbs.db", "data/._gesprek.wav"])


def test_its_page_says_the_digest_and_the_key_that_other_tools_find(home: TakenHome) -> None:
    for copy in (home.one, home.other):
        page = (copy / "LEESMIJ.html").read_text("utf-8")
        digest = subprocess.run(["sha256sum", copy / "data/gesprek.wav"], capture_output=True, text=True, check=True).stdout[:64]
        assert digest in page
        assert home.card == outsiders.ssh_keygen(copy)
        assert home.card in page


def test_nothing_in_it_says_whose_copy_it_is(home: TakenHome) -> None:
    for copy in (home.one, home.other):
        everything = b"".join(path.read_bytes() for path in copy.rglob("*") if path.is_file())
        assert copy.parent.name.encode() not in everything


def test_after_a_power_cut_both_copies_hold_the_same_honest_note(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(protocol.StartRequest())
    time.sleep(1.2)
    table.kill()
    table.serve("--source", "synthetic")
    table.until_state("handover")
    one, other = table.copies()
    assert same_folders(one, other)
    note = (one / "data/NOTE.txt").read_text("utf-8")
    assert "WAT ER MISGING BIJ DEZE OPNAME" in note
    assert "Het apparaat viel midden in het gesprek uit" in note
    assert "van 00:00:00 tot 00:00:0" in note
    assert any(entry["event"] == "interrupted" for entry in journal_of(one))
    assert verified(one, other, "--key", card_of(table))[0] == 0
