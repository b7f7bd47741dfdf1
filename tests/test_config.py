"""The configuration: every key is documented, every mistake is said in words and at once, and things lie where they should."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from appliance.agreement import fill
from appliance.config import (
    Config,
    ConfigError,
    Places,
    System,
    agreement_texts,
    languages,
    load,
    parse,
    places,
    shipped,
)

FILE = shipped() / "config.toml"
CONFIG = "config.toml"


def keys() -> list[tuple[str, str]]:
    return [(s.name, k.name) for s in msgspec.structs.fields(Config) for k in msgspec.structs.fields(s.type)]


def documented() -> list[tuple[str, str, str]]:
    """(section, key, the comment above it) in the file as delivered, keys that are commented out too."""
    found, section, comment = [], "", ""
    for line in FILE.read_text().splitlines():
        if head := re.fullmatch(r"\[(\w+)\]", line):
            section, comment = head[1], ""
        elif key := re.fullmatch(r"(?:# )?(\w+) = .+", line):
            found.append((section, key[1], comment))
            comment = ""
        else:
            comment += line
    return found


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as wrong:
        parse(text)
    return wrong.value.problems


def test_the_file_as_delivered_says_the_defaults() -> None:
    assert load(FILE) == Config()


def test_every_key_stands_in_the_file_in_order_with_a_comment_of_its_own() -> None:
    assert [(section, key) for section, key, _ in documented()] == keys()
    assert all(comment.startswith("# ") and len(comment) > 10 for _, _, comment in documented())


def test_a_key_that_is_off_by_default_may_be_switched_on_as_the_file_shows_it() -> None:
    assert parse(FILE.read_text().replace("# trouble_pin = ", "trouble_pin = ")).light.trouble_pin == 22


def test_every_value_in_the_file_is_really_read() -> None:
    changed: dict[str, dict[str, object]] = {
        "organisation": {"name": "Wijkteam", "contact": "020 123", "timezone": "Europe/Brussels", "language": "en"},
        "audio": {"device": "USB", "rate": 44100, "bits": 24, "channels": 2, "latency_seconds": 1, "sync_seconds": 2.0},
        "meeting": {"longest_hours": 2, "minimum_free_hours": 1.5, "touch": True},
        "button": {"pins": [5, 6], "hold_seconds": 2.0, "bounce_milliseconds": 20},
        "light": {"pin": 12, "trouble_pin": 13},
        "pins": {"factory": "none"},
        "sound": {"device": "HDMI", "tones": False, "prompts": True},
        "copies": {"no_progress_seconds": 60.0},
        "retention": {"keep_days": 3, "keep_days_without_handover": 5, "most_at_once_percent": 20},
        "groups": {"room": "audio", "administrators": "adm"},
    }
    text = "".join(
        f"[{section}]\n" + "".join(f"{key} = {msgspec.json.encode(value).decode()}\n" for key, value in table.items())
        for section, table in changed.items()
    )
    assert tomllib.loads(text) == changed
    assert msgspec.to_builtins(parse(text)) == {**changed, "button": {**changed["button"], "pins": (5, 6)}}


def test_a_group_that_this_machine_does_not_have_is_refused_with_its_key_and_a_near_miss() -> None:
    with pytest.raises(ConfigError, match=r"groups\.room is \"audoi\".*Did you mean \"audio\""):
        parse('[groups]\nroom = "audoi"\n')


def test_no_file_and_no_button_are_fine(tmp_path: Path) -> None:
    assert load(tmp_path / CONFIG) == load(None) == Config()
    assert parse("[button]\npins = []").button.pins == ()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[audio]\nrat = 48000", "audio.rate"),
        ("[sound]\nrate = 48000", "audio.rate"),
        ("rate = 48000", "audio.rate"),
        ("[retention]\nkeepdays = 3", "retention.keep_days"),
        ("[ligth]\npin = 3", "[light]"),
    ],
)
def test_an_unknown_key_is_named_with_what_is_known_there_and_a_near_miss(text: str, meant: str) -> None:
    (problem,) = problems(text)
    assert problem.endswith(f"did you mean {meant}?")
    assert re.search(r"the (keys|sections).* (are|of \[\w+\] are) \w+, \w+", problem)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[audio]\nrate = 47", "audio.rate is 47; it must be one of 8000, 11025, 16000,"),
        ("[audio]\nrate = 99999999999999999999999", "audio.rate is 99999999999999999999999; it must be one of"),
        ('[audio]\nbits = "16"', 'audio.bits is "16"; it must be one of 16, 24.'),
        ("[audio]\nlatency_seconds = 9", "audio.latency_seconds is 9; it must be a number from 0.02 to 5."),
        ("[audio]\nlatency_seconds = nan", "audio.latency_seconds is NaN; it must be a number from 0.02 to 5."),
        ("[button]\npins = [1, 2]", "button.pins is [1, 2]; it must be a list of at most 2, each a whole number from 2 to 27."),
        ("[button]\npins = [4, 5, 6]", "button.pins is [4, 5, 6]; it must be a list of at most 2"),
        ("[meeting]\ntouch = 1", "meeting.touch is 1; it must be true or false."),
        ('[pins]\nfactory = "rpi"', 'pins.factory is "rpi"; it must be one of "auto", "lgpio", "mock", "none".'),
        ("[light]\ntrouble_pin = 99", "light.trouble_pin is 99; it must be a whole number from 2 to 27."),
        ('[organisation]\nname = "a\\u001bb"', 'organisation.name is "a\\u001bb"; it must be one line of text in quotes.'),
        ('[organisation]\ntimezone = "Europe/Amsterdm"', 'did you mean "Europe/Amsterdam"?'),
        ('[organisation]\ntimezone = "Europe"', 'organisation.timezone is "Europe"; it must be a name'),
        ('[groups]\nroom = "a b"', 'groups.room is "a b"; it must be the name of a group, or "".'),
        ("audio = 5", "audio is 5; it must be a section, [audio], with its keys below it."),
        ("[audio.rate]\nx = 1", "audio.rate is a section; it must be one of"),
        ("[light]\npin = 17", "light.pin is 17; that line is taken by button.pins already"),
        (
            "[retention]\nkeep_days = 20",
            "retention.keep_days_without_handover is 14; it must be at least retention.keep_days, which is 20",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_stands_there_and_what_may(text: str, says: str) -> None:
    (problem,) = problems(text)
    assert says in problem


def test_a_slip_in_the_toml_is_found_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / CONFIG
    file.write_text("[audio]\nrate = 48000\nbits = \n")
    with pytest.raises(ConfigError, match=r"line 3, column 8: this is not TOML .*: bits =$"):
        load(file)
    file.write_bytes(b"[organisation]\nname = 'caf\xe9'\n")
    with pytest.raises(ConfigError, match="line 2: this is not UTF-8 text"):
        load(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(file)


def test_all_that_is_wrong_is_said_at_once_and_once() -> None:
    said = problems(
        "[audio]\nrate = 1\nbit = 16\n[light]\npin = 99\n[button]\npins = [27]\n[organisation]\ntimezone = 5\n[extra]"
    )
    assert len(said) == 5
    assert {problem.split()[0] for problem in said} == {"audio.rate", "audio.bit", "light.pin", "organisation.timezone", "extra"}


def test_a_root_holds_everything(tmp_path: Path) -> None:
    assert places(tmp_path) == Places(
        config=tmp_path / CONFIG,
        recordings=tmp_path / "recordings",
        control_socket=tmp_path / "control.sock",
        admin_socket=tmp_path / "admin.sock",
        register=tmp_path / "register.jsonl",
        agreement=tmp_path / "agreement",
        clock=tmp_path / "clock.json",
    )


def test_a_relative_root_stays_the_same_place_when_the_process_goes_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert places(Path("here")).config == tmp_path / "here" / CONFIG


def test_the_service_and_the_rooms_commands_find_the_same_socket(tmp_path: Path) -> None:
    system = System(tmp_path / "etc", tmp_path / "state", tmp_path / "run")
    unit = {"STATE_DIRECTORY": str(system.state), "RUNTIME_DIRECTORY": str(system.runtime), "HOME": "/nowhere"}
    service = places(None, unit, system)
    assert (service.config, service.recordings) == (system.config / CONFIG, system.state / "recordings")
    system.runtime.mkdir()
    assert places(None, {"HOME": str(tmp_path)}, system) == service


def test_without_an_installed_appliance_things_are_the_users_own(tmp_path: Path) -> None:
    nowhere = System(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    xdg = {"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d", "XDG_RUNTIME_DIR": "/r", "HOME": "/h"}
    mine = places(None, xdg, nowhere)
    assert (str(mine.config), str(mine.recordings)) == ("/c/meeting-recorder/config.toml", "/d/meeting-recorder/recordings")
    assert str(mine.control_socket) == "/r/meeting-recorder/control.sock"
    bare = places(None, {"HOME": "/h", "XDG_DATA_HOME": "not/absolute"}, nowhere)
    assert str(bare.config) == "/h/.config/meeting-recorder/config.toml"
    assert str(bare.admin_socket) == "/h/.local/share/meeting-recorder/run/admin.sock"
    assert places(None, {"HOME": ""}, nowhere).config.is_absolute()


@pytest.mark.parametrize("language", ["nl", "en"])
def test_tip_2_the_agreement_as_delivered_fills_in_and_speaks_of_both(language: str, tmp_path: Path) -> None:
    texts = agreement_texts(places(tmp_path), language)
    filled = fill(texts.agreement, {"date": "7 december", "contact": "020 123", "organisation": "Wijkteam"})
    assert "7 december" in filled
    assert "020 123" in filled
    assert {"nl": "allebei", "en": "both"}[language] in filled
    assert len(texts.announcement) > 200


def test_an_organisation_changes_one_text_and_keeps_the_other_as_delivered(tmp_path: Path) -> None:
    own = tmp_path / "agreement" / "nl" / "agreement.txt"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"\xef\xbb\xbfWij van {organisation} nemen dit op.\r\n")
    texts = agreement_texts(places(tmp_path), "nl")
    assert texts.agreement == "Wij van {organisation} nemen dit op."
    assert texts.announcement == agreement_texts(places(tmp_path / "other"), "nl").announcement


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"Tot {datum}.", "{datum}"),
        (b"  \n", "is empty"),
        (b"caf\xe9", "not UTF-8"),
        (b"Ik geef Toestemming.", 'says "Toestemming"'),
        (b"I give my consent.", 'says "consent"'),
    ],
)
def test_a_wording_that_cannot_be_shown_is_found_before_the_meeting(content: bytes, says: str, tmp_path: Path) -> None:
    own = tmp_path / "agreement" / "nl" / "agreement.txt"
    own.parent.mkdir(parents=True)
    own.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(says)) as wrong:
        agreement_texts(places(tmp_path), "nl")
    assert str(own) in str(wrong.value)


def test_a_language_is_a_folder_with_both_texts(tmp_path: Path) -> None:
    french = tmp_path / "agreement" / "fr"
    french.mkdir(parents=True)
    (french / "agreement.txt").write_text("Nous enregistrons.")
    assert languages(places(tmp_path)) == ("nl", "en")
    with pytest.raises(ConfigError, match=r'language "fr"; there is one in nl, en\.'):
        agreement_texts(places(tmp_path), "fr")
    (french / "announcement.txt").write_text("Bonjour.")
    assert agreement_texts(places(tmp_path), "fr").announcement == "Bonjour."
    assert languages(places(tmp_path)) == ("nl", "en", "fr")
