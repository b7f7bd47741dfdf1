"""Somebody else's verifier, written from docs/formats.md with the standard library, says what ours says of everything."""

from __future__ import annotations

import ast
import shutil
import sys
from pathlib import Path

import pytest

from appliance.copies.names import WAV
from appliance.copies.verify import Verdict, verify
from tests import independent_verifier as theirs
from tests import tamper
from tests.tamper import CARD, KINDS, Kind

Places = list[tuple[str, float, float]]


@pytest.fixture(scope="module")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tamper.recorded(tmp_path_factory.mktemp("appliance"))


@pytest.fixture
def copy(sealed_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed_once, tmp_path / "stick" / tamper.NAME))


def together(places: Places) -> Places:
    """Neighbours of one kind as one stretch."""
    joined: Places = []
    for what, begin, end in sorted(places):
        is_neighbour = bool(joined) and (joined[-1][0], joined[-1][2]) == (what, begin)
        joined.append((what, joined.pop()[1] if is_neighbour else begin, end))
    return joined


def places_of_ours(verdict: Verdict) -> Places:
    return together(
        [
            (f.what, f.from_seconds, f.to_seconds)
            for f in verdict.findings
            if f.from_seconds is not None and f.to_seconds is not None
        ]
    )


def places_of_theirs(found: list[theirs.Found]) -> Places:
    return together([(what, *place) for what, _, place in found if place is not None])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_rule_5_it_agrees_with_ours_on_whatever_was_done_and_where(kind: Kind, copy: Path) -> None:
    kind.does(copy)
    ours, (says, found) = verify(copy, keys={CARD}), theirs.verify(copy, CARD)
    assert says == ours.verdict == "changed"
    assert places_of_theirs(found) == places_of_ours(ours)
    assert kind.file in {file for _, file, _ in found} or kind.what == "manifest"


def test_it_agrees_on_what_is_as_it_was(copy: Path, tmp_path: Path) -> None:
    assert theirs.verify(copy) == theirs.verify(copy, CARD) == ("intact", [])
    for name in ("Thumbs.db", "data/._gesprek.wav", ".DS_Store"):
        (copy / name).write_bytes(b"x")
    (copy / "System Volume Information").mkdir()
    assert theirs.verify(copy, CARD) == ("intact", [])
    assert theirs.verify(copy, tamper.SOMEBODYS_KEY.public.fingerprint)[0] == "changed"
    assert theirs.verify(tamper.recorded(tmp_path / "unsigned", papers=None))[0] == "unknown"
    (copy / "bagit.txt").unlink()
    assert theirs.verify(copy)[0] == verify(copy).verdict == "unfinished"


def test_its_ed25519_is_the_standards() -> None:
    """RFC 8032, 7.1, tests 1 and 3."""
    vectors = (
        ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
        ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    )  # fmt: skip
    for key, message, signature in vectors:
        assert theirs.is_signed(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))
        assert not theirs.is_signed(bytes.fromhex(key), bytes.fromhex(message + "00"), bytes.fromhex(signature))


def test_it_has_nothing_of_ours_and_fits_on_three_pages() -> None:
    source = Path(theirs.__file__).read_text()
    assert len(source.splitlines()) <= 150
    imports = {
        (node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imports <= set(sys.stdlib_module_names)
    assert WAV == theirs.WAV
