"""The words: complete in every language, and never the ones that the room's rules leave out (T2).

The two parties agree with each other; neither of them asks the other for leave. So the Dutch and English words for that are in no text
that a person can see. Two exceptions: what an operating system calls the rights on a file, and the rule itself where it is quoted.
"""

from __future__ import annotations

import ast
import io
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from appliance.meeting import Refusal
from appliance.words import DOMAIN, LOCALE, REFUSALS, Trouble, languages
from tests.ui.translations import compile_translations

ROOT = Path(__file__).parent.parent
KEYWORDS = {"_", "N_", "gettext", "say"}


# ── every text in every language


def texts_in_the_code() -> dict[str, set[str]]:
    """Each text that is said to people, with the modules that say it."""
    texts: dict[str, set[str]] = {}
    for module in sorted((ROOT / "appliance").rglob("*.py")):
        for text in said_in(module.read_text()):
            texts.setdefault(text, set()).add(module.relative_to(ROOT).as_posix())
    return texts


def said_in(code: str) -> Iterator[str]:
    """Babel's own extractor overlooks what is said within an f-string, and takes a key in `say(TEXTS["gone"])` for a text."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and node.args and _name(node.func) in KEYWORDS:
            match node.args[0]:
                case ast.Constant(value=str(text)):
                    yield text


def _name(called: ast.expr) -> str:
    match called:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def translations() -> list[Path]:
    return sorted(LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))


def read(po: Path) -> Catalog:
    with po.open("rb") as texts:
        return read_po(texts, locale=po.parts[-3])


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def complaints(catalog: Catalog, texts: dict[str, set[str]]) -> list[str]:
    """Everything that is wrong with a translation of `texts`."""
    return [
        *(f"missing: {text!r} ({', '.join(sorted(modules))})" for text, modules in texts.items() if catalog.get(text) is None),
        *(f"nobody says it any more: {message.id!r}" for message in catalog if message.id and message.id not in texts),
        *(f"obsolete: {text!r}" for text in catalog.obsolete),
        *(
            complaint
            for message in catalog
            if message.id
            for complaint in _complaints_of(message.id, message.string, fuzzy=message.fuzzy)
        ),
    ]


def _complaints_of(text: object, translation: object, *, fuzzy: bool) -> Iterator[str]:
    if fuzzy:
        yield f"fuzzy: {text!r}"
    if not isinstance(text, str) or not isinstance(translation, str) or not translation.strip():
        yield f"not translated: {text!r}"
    elif places(text) != places(translation):
        yield f"other places to fill: {text!r} and {translation!r}"


@pytest.mark.parametrize("po", translations(), ids=lambda po: str(po.parts[-3]))
def test_every_text_is_said_in_every_language(po: Path) -> None:
    assert complaints(read(po), texts_in_the_code()) == []


def test_dutch_and_english_are_there_and_dutch_comes_first() -> None:
    compile_translations()
    assert "nl" in {po.parts[-3] for po in translations()}
    assert languages()[0] == "nl"
    assert "en" in languages()


def test_the_texts_of_the_code_are_found() -> None:
    texts = texts_in_the_code()
    assert "Coffee? Tea? A recording?" in texts
    assert set(REFUSALS.values()) <= set(texts)
    assert {trouble.value for trouble in Trouble} <= set(texts)


def test_every_refusal_has_its_words() -> None:
    assert set(REFUSALS) == set(Refusal)


@pytest.mark.parametrize(
    ("po", "complaint"),
    [
        ("", "missing"),
        ('msgid "{party}, go on."\nmsgstr ""', "not translated"),
        ('#, fuzzy\nmsgid "{party}, go on."\nmsgstr "{party}, ga verder."', "fuzzy"),
        ('msgid "{party}, go on."\nmsgstr "{wie}, ga verder."', "other places"),
        ('msgid "{party}, go on."\nmsgstr "{party}, ga verder."\n\nmsgid "Away."\nmsgstr "Weg."', "nobody says"),
        ('msgid "{party}, go on."\nmsgstr "{party}, ga verder."\n\n#~ msgid "Old."\n#~ msgstr "Oud."', "obsolete"),
    ],
)
def test_a_translation_that_is_not_right_is_noticed(po: str, complaint: str) -> None:
    catalog = read_po(io.BytesIO(po.encode()), locale="nl")
    found = complaints(catalog, {"{party}, go on.": {"somewhere.py"}})
    assert [words for words in found if words.startswith(complaint)] == found != []


# ── T2: people agree


LEFT_OUT = re.compile(r"\w*(?:toestem|toegestem|consent|permission)\w*", re.IGNORECASE)
EXCEPTIONS = re.compile(r"\bfile permissions?\b|\bthe words? (?:'toestemming'|'consent'|'permission')", re.IGNORECASE)


def left_out_words(text: str) -> list[str]:
    """The words in `text` that the rules leave out, but for the two exceptions."""
    return LEFT_OUT.findall(EXCEPTIONS.sub(" ", text))


def texts_that_people_see() -> Iterator[tuple[str, str]]:
    """(where, text) of everything that the product shows, prints, ships for reading, or says in an error."""
    for po in translations():
        for message in read(po):
            yield f"{po.parts[-3]}: {message.id!r}", f"{message.id} {message.string}"
    for text, modules in texts_in_the_code().items():
        yield ", ".join(sorted(modules)), text
    shipped = [ROOT / "README.md", ROOT / "CHANGELOG.md", *_under("config"), *_under("docs"), *_under("systemd")]
    shipped += [file for file in _under("appliance") if file.suffix in {".tcss", ".html", ".txt", ".css", ".js", ".toml", ".md"}]
    for file in shipped:
        yield file.relative_to(ROOT).as_posix(), file.read_text(errors="replace")
    for module in (ROOT / "appliance").rglob("*.py"):
        for line, text in _sentences(module):
            yield f"{module.relative_to(ROOT)}:{line}", text


def _under(folder: str) -> list[Path]:
    return [file for file in (ROOT / folder).rglob("*") if file.is_file()]


def _sentences(module: Path) -> Iterator[tuple[int, str]]:
    """Every text in a module, with its line. A docstring is for whoever reads the code; on the command line it is the help."""
    tree = ast.parse(module.read_text())
    only_for_readers = set() if module.name == "cli.py" else set(_docstrings(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in only_for_readers:
            yield node.lineno, node.value


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """Texts that stand alone as a statement."""
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))


def test_rule_t2_people_agree_and_nobody_is_asked_for_leave() -> None:
    found = [(where, word) for where, text in texts_that_people_see() for word in left_out_words(text)]
    assert found == []


def test_rule_t2_looks_at_every_kind_of_text() -> None:
    looked_at = " ".join(where for where, _ in texts_that_people_see())
    for kind in ("nl: ", "README.md", "config/config.toml", "appliance/ui/room.tcss", "appliance/client.py:"):
        assert kind in looked_at


@pytest.mark.parametrize(
    "planted",
    [
        "Geeft u toestemming?", "Toestemmingen", "een toestemmingsformulier", "U hebt toegestemd.", "zij toestemden",
        "By pressing you consent.", "CONSENTED", "the consent form", "You have permission to record.", "Permissions", "the word consent",
    ],
)  # fmt: skip
def test_rule_t2_finds_the_words_that_are_left_out(planted: str) -> None:
    assert left_out_words(planted) != []


@pytest.mark.parametrize(
    "fine", ["file permission decides who may", "we avoid the word 'toestemming'", "Wij spreken dit samen af."]
)
def test_rule_t2_leaves_an_operating_system_and_the_rule_itself_their_words(fine: str) -> None:
    assert left_out_words(fine) == []
