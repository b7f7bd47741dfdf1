"""`LEESMIJ.html`: one file that plays the recording beside it, explains it, and checks it; no network, no libraries.

A pure function from what the sealed recording says to bytes. What people wrote (the agreement, the organisation's name and contact) is
escaped wherever it stands; the page's own policy (Content Security Policy, by digest) lets nothing run and nothing be fetched
but what is in it, and the sound beside it.

It is in Dutch, and in the language of the meeting if that is another: each text stands there in both, and a button shows one
of them; without a script, and on paper, both are seen.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template
from typing import TypeAlias

from appliance.agreement import PARTIES
from appliance.journal import Entry, of_kind, whole
from appliance.page.account import Account, Moment
from appliance.page.drawing import drawing, peaks
from appliance.page.note import readers_languages
from appliance.page.telling import duration, moment, when, who
from appliance.page.texts import NOTED, PART, PROVE, RULES, SAID, TEXTS, TITLE, WHAT
from appliance.words import N_, Say, span, speak

LANGUAGES_OWN_NAMES = {"nl": "Nederlands", "en": "English"}
SAMPLES = 16
"""So many stretches, spread over the recording, tell a changed file of it from another one."""
MOMENTS_AT_MOST = 500

Words: TypeAlias = "str | Callable[[Say], str]"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a page is made of.

    entries: the journal to its end; sha256: of the WAV, hex; audio_at: the byte at which its sound starts; levels: data/levels.csv, or
    nothing; key: the fingerprint of the key that will sign the copy; noted: whether there is a NOTE.txt.
    """

    told: Account
    entries: Sequence[Entry]
    sha256: str
    audio_at: int
    agreement: str
    levels: str
    organisation: str
    contact: str
    key: str
    noted: bool


def page(facts: Facts) -> bytes:
    """The page, UTF-8. The same facts give the same bytes."""
    tongues = Tongues(readers_languages(facts.told.language))
    style, script = _shipped("page.css"), _shipped("sha256.js") + _shipped("page.js")
    places = {
        "policy": _policy(style, script),
        "style": style,
        "script": script,
        "title": html.escape(f"{speak(tongues.languages[0])(TITLE)} {facts.told.id}"),
        "facts": _as_json(_for_the_script(facts, tongues)),
        "tongues": _buttons(tongues),
        "drawing": drawing(facts.told, peaks(facts.levels)),
        "moments": _moments(facts.told, tongues),
        "hash": html.escape(" ".join(facts.sha256[at : at + 8] for at in range(0, len(facts.sha256), 8))),
        "agreement": html.escape(facts.agreement.strip()),
        "agreement_language": html.escape(facts.told.language),
        "what_lines": _list(_what(facts, tongues)),
        "rules": _list(tongues.say(rule) for rule in RULES),
        "prove": "".join(_proof(says, command, facts.key, tongues) for says, command in PROVE),
        **_texts(facts, tongues),
    }
    return Template(_shipped("leesmij.html")).substitute(places).encode()


@dataclass(frozen=True, slots=True)
class Tongues:
    """The page's languages, Dutch first. Everything that is said comes out escaped, once in each."""

    languages: tuple[str, ...]

    def say(self, text: str, **words: Words) -> str:
        """`words` fill the places: a text for all languages, or a function of one language's words."""
        return self.each(
            lambda say: say(text).format_map({name: word if isinstance(word, str) else word(say) for name, word in words.items()})
        )

    def each(self, made: Callable[[Say], str]) -> str:
        spans = [f'<span lang="{language}">{html.escape(made(speak(language)))}</span>' for language in self.languages]
        return spans[0] if len(spans) == 1 else f'<span class="two">{"".join(spans)}</span>'


def _texts(facts: Facts, tongues: Tongues) -> dict[str, str]:
    told = facts.told
    places: dict[str, Words] = {
        "when": lambda say: when(told.began, say),
        "length": lambda say: duration(told.seconds, say),
        "id": told.id,
        "who": lambda say: who(told.confirmed or PARTIES, say),
        "contact": lambda say: facts.contact or facts.organisation or say(N_("the professional who was at the table")),
    }
    return {name: tongues.say(text, **places) for name, text in TEXTS.items()}


def _what(facts: Facts, tongues: Tongues) -> Iterator[str]:
    told = facts.told
    for line in WHAT:
        yield tongues.say(line, who=lambda say: who(told.confirmed or PARTIES, say))
    if told.part_of:
        yield tongues.say(PART, n=str(told.is_part), parts=", ".join(told.part_of))
    if facts.noted:
        yield tongues.say(NOTED)
    if facts.organisation:
        yield tongues.say(N_("It was made at: {organisation}."), organisation=facts.organisation)


def _moments(told: Account, tongues: Tongues) -> str:
    """A list of buttons: each goes to its moment in the sound."""
    lines = [
        _moment(0.0, tongues.say(N_("The beginning."))),
        *(_moment(m.at, _told(m, tongues)) for m in told.moments[:MOMENTS_AT_MOST]),
    ]
    if len(told.moments) > MOMENTS_AT_MOST:
        more = str(len(told.moments) - MOMENTS_AT_MOST)
        lines.append(f"<li>{tongues.say(N_('And {n} more, which are in journal.jsonl.'), n=more)}</li>")
    return "\n".join(lines)


def _told(happened: Moment, tongues: Tongues) -> str:
    return tongues.each(lambda say: moment(happened, say))


def _moment(at: float, said: str) -> str:
    return f'<li><button type="button" data-at="{at:.3f}">{span(at)}</button> {said}</li>'


def _proof(says: str, command: str, key: str, tongues: Tongues) -> str:
    return f"<p>{tongues.say(says, key=key)}</p>\n<pre><code>{html.escape(command.format(key=key))}</code></pre>\n"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"<li>{line}</li>" for line in lines)


def _buttons(tongues: Tongues) -> str:
    if len(tongues.languages) < 2:
        return ""
    names = (LANGUAGES_OWN_NAMES.get(language, language) for language in tongues.languages)
    buttons = (
        f'<button type="button" lang="{language}" aria-pressed="false">{html.escape(name)}</button>'
        for language, name in zip(tongues.languages, names, strict=True)
    )
    return f'<div class="tongues">{"".join(buttons)}</div>'


# ── for the script


def _for_the_script(facts: Facts, tongues: Tongues) -> dict[str, object]:
    told = facts.told
    return {
        "id": told.id,
        "began": f"{told.began:%Y-%m-%d%H:%M:%S}" if told.began else "",
        "sha256": facts.sha256,
        "at": facts.audio_at,
        "rate": told.rate,
        "frameBytes": told.frame_bytes,
        "seconds": told.seconds,
        "samples": list(_samples(facts.entries)),
        "tongues": tongues.languages,
        "words": {name: [speak(language)(text) for language in tongues.languages] for name, text in SAID.items()},
    }


def _samples(entries: Sequence[Entry]) -> Iterator[dict[str, object]]:
    stretches = of_kind(entries, "audio")
    for n in sorted({n * (len(stretches) - 1) // (SAMPLES - 1) for n in range(SAMPLES)} if stretches else ()):
        stretch = stretches[n]
        yield {"from": whole(stretch, "from"), "frames": whole(stretch, "frames"), "sha256": str(stretch["sha256"])}


def _as_json(value: object) -> str:
    """JSON that may stand in HTML: nothing in it can end the element that it stands in."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.replace("<", "\\u003c")


# ── what lets nothing else run


def _policy(style: str, script: str) -> str:
    """CSP 3: this script and this style by their digests, sound from beside the page or from a chosen file, and nothing else at all."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; media-src 'self' file: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _shipped(name: str) -> str:
    return resources.files("appliance.page").joinpath(name).read_text("utf-8")
