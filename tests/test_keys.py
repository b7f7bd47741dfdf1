"""The key's life: made once, registered, replaced by a command; and what a copy that was signed before is worth afterwards."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli import main
from appliance.clock import RealClock
from appliance.copies.verify import verify
from appliance.disk import RealDisk
from appliance.doors import hold_place
from appliance.journal import Entry, check
from appliance.keys import first, renew
from appliance.papers import Papers
from appliance.register import Register
from appliance.signing import KEY, load, own_keys
from tests import tamper


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def started(state: Path) -> str:
    """As the service starts; the fingerprint of its key."""
    register = Register.open(RealDisk(), state / "register.jsonl")
    try:
        return first(RealDisk(), RealClock(), state, register).public.fingerprint
    finally:
        register.close()


def lines(state: Path) -> list[Entry]:
    checked = check((state / "register.jsonl").read_bytes())
    assert checked.broken is None
    return [entry for entry in checked.entries if entry["event"] == "key"]


def command(*words: str | Path) -> tuple[int, str]:
    ran = CliRunner().invoke(main, [str(word) for word in words])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exc_info
    return ran.exit_code, ran.output


def test_the_first_start_makes_a_key_and_registers_it_once(state: Path) -> None:
    made = started(state)
    assert started(state) == made
    (line,) = lines(state)
    assert (line["fingerprint"], line["replaces"], line["by"]) == (made, None, None)


def test_a_key_that_was_made_just_before_the_power_went_is_registered_at_the_next_start(state: Path) -> None:
    made = started(state)
    (state / "register.jsonl").unlink()
    assert started(state) == made
    assert [line["fingerprint"] for line in lines(state)] == [made]


def test_the_register_never_holds_the_key_itself(state: Path) -> None:
    started(state)
    assert b"PRIVATE" not in (state / "register.jsonl").read_bytes()


def test_a_new_key_is_registered_with_who_made_it_and_what_it_replaces(state: Path) -> None:
    old = started(state)
    status, said = command("key", "new", "--root", state, "--json")
    assert status == 0
    told = json.loads(said)
    assert (told["earlier"], told["key"]) == ([old], own_keys(state)[-1].fingerprint)
    assert [(line["fingerprint"], line["replaces"], line["by"]) for line in lines(state)] == [
        (old, None, None),
        (told["key"], old, getpass.getuser()),
    ]
    assert started(state) == told["key"]
    assert len(lines(state)) == 2


def test_a_damaged_key_is_replaced_by_the_command_though_no_service_can_start(state: Path) -> None:
    started(state)
    (state / KEY).write_bytes(b"\0" * 400)
    with pytest.raises(OSError, match="meeting-recorder key new"):
        started(state)
    assert command("key", "new", "--root", state)[0] == 0
    assert started(state) == own_keys(state)[-1].fingerprint


def test_while_a_service_has_the_place_nobody_replaces_its_key_behind_its_back(state: Path) -> None:
    old = started(state)
    lock = hold_place(state / "control.sock")  # a service that starts: it has the lock, and does not answer yet
    status, said = command("key", "new", "--root", state)
    os.close(lock)
    assert (status, "already running" in said) == (1, True)
    assert own_keys(state)[-1].fingerprint == old


def test_the_fingerprint_for_the_card_is_shown_without_a_service(state: Path) -> None:
    status, said = command("key", "show", "--root", state)
    assert (status, "first starts" in said) == (1, True)
    made = started(state)
    assert command("key", "show", "--root", state) == (0, f"{made}\n")
    shown = json.loads(command("key", "show", "--root", state, "--json")[1])
    assert shown["allowed_signer"].split()[:2] == ["meeting-recorder", "ssh-ed25519"]


def test_a_copy_signed_before_the_key_was_replaced_is_still_known_to_the_appliance(state: Path, tmp_path: Path) -> None:
    started(state)
    key = load(state)
    assert key is not None
    copy = tamper.recorded(tmp_path / "stick", papers=Papers(key))
    register = Register.open(RealDisk(), state / "register.jsonl")
    renew(RealDisk(), RealClock(), state, register, "beheer")
    register.close()
    status, said = command("verify", copy, "--root", state, "--json")
    assert (status, json.loads(said)["signature"]["known"]) == (0, True)


def test_verify_takes_the_fingerprint_from_the_card(state: Path, tmp_path: Path) -> None:
    copy = tamper.recorded(tmp_path / "stick")
    assert json.loads(command("verify", copy, "--root", state, "--json")[1])["signature"]["known"] is None
    status, said = command("verify", "--key", tamper.CARD, copy, "--root", state, "--json")
    assert (status, json.loads(said)["signature"]) == (0, {"state": "good", "key": tamper.CARD, "known": True})
    made = started(state)
    status, said = command("verify", copy, "--root", state, "--json")
    assert (status, json.loads(said)["verdict"], json.loads(said)["signature"]["known"]) == (1, "changed", False)
    assert command("verify", "--key", made, "--key", tamper.CARD, copy, "--root", state)[0] == 0
    assert command("verify", "--key", "SHA256:nonsense", copy, "--root", state)[0] == 2


def test_two_copies_with_different_keys_are_not_said_to_be_of_one(tmp_path: Path) -> None:
    one = tamper.recorded(tmp_path / "one")
    other = tamper.recorded(tmp_path / "other", papers=Papers(tamper.SOMEBODYS_KEY))
    said = json.loads(command("verify", one, other, "--key", tamper.CARD, "--root", tmp_path, "--json")[1])
    assert (said["verdict"], said["equal"], said["signature"]) == (
        "changed",
        False,
        {"state": "good", "key": None, "known": False},
    )
    assert verify(one, keys={tamper.CARD}).verdict == "intact"
