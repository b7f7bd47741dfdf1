"""The page as a text: whole in itself, shut to the network, and nobody's words can get out of their place."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.copies.names import JOURNAL
from appliance.journal import check
from appliance.page.account import account_of
from appliance.page.drawing import COLUMNS, drawing, peaks
from appliance.page.page import Facts, page
from tests import tamper
from tests.test_words import left_out_words


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    copy = tamper.recorded(tmp_path_factory.mktemp("stick"))
    entries = check((copy / JOURNAL).read_bytes()).entries
    levels = (copy / "data/levels.csv").read_text()
    return Facts(
        account_of(entries),
        entries,
        "ab" * 32,
        1024,
        "Wij nemen dit gesprek open op.\n",
        levels,
        "Gemeente",
        "Bureau",
        "SHA256:x",
        noted=False,
    )


class Parsed(html.parser.HTMLParser):
    """What a browser sees: elements, and the text that is none of a script or style."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.inside = ""
        self.verbatim: dict[str, str] = {}
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = f"{tag} {dict(attrs).get('type') or ''}".strip()

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser's signature
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside.startswith(("script", "style")):
            self.verbatim[self.inside] = self.verbatim.get(self.inside, "") + data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_same_facts_give_the_same_bytes(facts: Facts) -> None:
    assert page(facts) == page(facts)


def test_it_brings_all_it_needs_and_asks_nobody(facts: Facts) -> None:
    seen = Parsed(page(facts))
    addresses = [
        value
        for _, attributes in seen.elements
        for name, value in attributes.items()
        if name in {"src", "href", "action", "data", "poster"}
    ]
    assert addresses == ["data/gesprek.wav"]
    code = seen.verbatim["script"] + seen.verbatim["style"]
    assert not re.search(
        r"https?:|fetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|import\(|@import|url\(|localStorage|cookie", code
    )


def test_its_policy_lets_only_this_script_and_this_style_run(facts: Facts) -> None:
    seen = Parsed(page(facts))
    (policy,) = (meta["content"] or "" for meta in seen.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(seen.verbatim[kind].encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert "connect-src" not in rules, "so the default holds: nothing"
    assert "unsafe" not in policy
    assert not [name for _, attributes in seen.elements for name in attributes if name.startswith("on") or name == "style"]


NASTY = "</script></blockquote><img src=x onerror=alert(1)><!-- ${x} $hash {who} ' \" & \u2028 ]]>"


def test_what_people_wrote_stays_text_wherever_it_stands(facts: Facts) -> None:
    told = replace(facts.told, id=NASTY)
    plain, nasty = (
        Parsed(page(made))
        for made in (facts, replace(facts, told=told, agreement=NASTY, organisation=NASTY, contact=NASTY, key=NASTY))
    )
    assert [tag for tag, _ in nasty.elements] == [tag for tag, _ in plain.elements]
    assert nasty.text.count(NASTY) >= 5
    assert json.loads(nasty.verbatim["script application/json"])["id"] == NASTY


def test_it_says_what_the_recording_is_and_where_to_ask(facts: Facts) -> None:
    text = " ".join(Parsed(page(facts)).text.split())
    for words in (
        "Opgenomen op 23 november 2026 om 14:00 uur. De opname duurt 8 seconden. De code is k7qm.",
        "Pauze van 12 seconden. Toen is er niets opgenomen.",
        "Wij nemen dit gesprek open op.",
        "Deze woorden zijn bevestigd door de professional en de cliënt:",
        "Vraag het aan: Bureau",
        "Geef haar niet aan anderen",
        "abababab abababab",
        "sha256sum -c manifest-sha256.txt",
        "ssh-keygen -Y verify -f allowed_signers -I meeting-recorder -n meeting-recorder",
        "tagmanifest-sha256.txt.tsq",
    ):
        assert words in text, words
    assert left_out_words(text) == []


def test_of_a_meeting_in_another_language_every_text_is_there_twice(facts: Facts) -> None:
    seen = Parsed(page(replace(facts, told=replace(facts.told, language="en"))))
    spans = [span.get("lang") for span in seen.all("span") if span.get("lang")]
    assert spans.count("nl") == spans.count("en") > 40
    assert [button.get("lang") for button in seen.all("button") if "aria-pressed" in button] == ["nl", "en"]
    words = json.loads(seen.verbatim["script application/json"])["words"]
    assert all(len(texts) == 2 and texts[0] != texts[1] for texts in words.values())


def test_a_part_and_a_note_are_told_of(facts: Facts) -> None:
    text = Parsed(page(replace(facts, told=replace(facts.told, part_of=("abcd",)), noted=True, organisation="", contact=""))).text
    assert "Dit is deel 2 van het gesprek. De delen ervoor hebben de code abcd." in text
    assert "NOTE.txt" in text
    assert "Vraag het aan: de professional die erbij was" in text


def test_the_drawing_has_the_loudness_and_a_line_where_something_happened(facts: Facts) -> None:
    drawn = drawing(facts.told, peaks(facts.levels))
    assert drawn.count("z") == 8, "a bar a second"
    assert re.search(r'class="at pause" x1="562\.5"', drawn), "the pause at 4.5 of 8 seconds"
    hours = drawing(facts.told, [-20.0] * 46_800)
    assert hours.count("z") == COLUMNS
    assert len(hours) < 40_000
    assert "z" not in drawing(facts.told, [None] * 30), "digital silence has no bar"
    assert drawing(facts.told, []).startswith("<svg")


def test_thirteen_hours_make_a_page_that_a_telephone_can_open(facts: Facts) -> None:
    levels = "second,level_dbfs,peak_dbfs,clipped\n" + "".join(f"{n},-30.0,-{n % 60}.0,0\n" for n in range(46_800))
    assert len(page(replace(facts, levels=levels))) < 100_000


def test_every_file_of_the_page_is_in_the_package() -> None:
    folder = Path(__file__).parents[2] / "appliance/page"
    assert {"leesmij.html", "page.css", "page.js", "sha256.js"} <= {path.name for path in folder.iterdir()}
