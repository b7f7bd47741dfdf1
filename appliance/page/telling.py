"""An account in sentences: the same words on the page and in the note, in any language of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from appliance.agreement import Party
from appliance.page.account import Account, Happening, Moment
from appliance.words import N_, Say, day, span

_PARTIES = {
    Party.PROFESSIONAL: N_("the professional"),
    Party.CLIENT: N_("the client"),
    Party.GUEST: N_("a guest"),
}
_WHY_GAP = {
    "microphone": N_("the microphone was gone"),
    "overflow": N_("the microphone's sound came too fast to be taken in"),
    "overrun": N_("the device was too busy"),
}
_WHY_ENDED = {
    "interrupted": N_(
        "The device stopped in the middle: the power went off, or it failed. What was said after that is not in it."
    ),
    "system": N_("The device was switched off. What was said after that is not in it."),
    "disk": N_("The device's own disk failed or was full. What was said after that is not in it."),
}
FAILED_ENDS = frozenset(_WHY_ENDED)


def when(began: datetime | None, say: Say) -> str:
    """'23 November 2026 at 14:00', or that nobody knows."""
    if began is None:
        return say(N_("on a day that the device's clock did not know"))
    return say(N_("on {date} at {time}")).format(date=day(began, say), time=f"{began:%H:%M}")


def duration(seconds: float, say: Say) -> str:
    """To the second, at least one; in words that are read aloud well."""
    rounded = max(1, round(seconds))
    hours, minutes, rest = rounded // 3600, rounded // 60 % 60, rounded % 60
    parts = [
        *([say(N_("1 hour")) if hours == 1 else say(N_("{n} hours")).format(n=hours)] if hours else []),
        *([say(N_("1 minute")) if minutes == 1 else say(N_("{n} minutes")).format(n=minutes)] if minutes else []),
        *([say(N_("1 second")) if rest == 1 else say(N_("{n} seconds")).format(n=rest)] if rest else []),
    ]
    return " ".join(parts)


def who(parties: tuple[Party, ...], say: Say) -> str:
    """'the professional, the client and a guest'."""
    names = [say(_PARTIES[party]) for party in parties]
    if len(names) < 2:
        return "".join(names)
    return say(N_("{some} and {last}")).format(some=", ".join(names[:-1]), last=names[-1])


def moment(told: Moment, say: Say) -> str:
    """What happened, without the time at which it did."""
    return _SENTENCES[told.what](told, say)


def _pause(pause: Moment, say: Say) -> str:
    if pause.seconds is None:
        return say(N_("Pause."))
    return say(N_("Pause of {length}. Nothing was recorded then.")).format(length=duration(pause.seconds, say))


def _mark(mark: Moment, say: Say) -> str:
    return say(N_("Bookmark of {party}.")).format(party=who((mark.party,), say)) if mark.party else say(N_("Bookmark."))


def _gap(gap: Moment, say: Say) -> str:
    why = say(_WHY_GAP.get(gap.why, N_("the device could not take it in")))
    return say(N_("A piece of {length} is missing, because {why}. It is silent there.")).format(length=_about(gap, say), why=why)


_SENTENCES: Mapping[Happening, Callable[[Moment, Say], str]] = {
    Happening.PAUSE: _pause,
    Happening.JOIN: lambda _, say: say(N_("Somebody joined. The recording stood still until everybody agreed.")),
    Happening.MARK: _mark,
    Happening.GAP: _gap,
    Happening.SILENT: lambda told, say: say(N_("The microphone gave no sound at all for {length}.")).format(
        length=duration(told.seconds or 0, say)
    ),
    Happening.STICK: lambda _, say: say(N_("A stick failed or was taken out. The recording went on; the copies are the same.")),
    Happening.END: lambda told, say: say(_WHY_ENDED.get(told.why, N_("The end."))),
}


def _about(gap: Moment, say: Say) -> str:
    seconds = gap.seconds or 0
    if seconds < 1:
        return say(N_("{milliseconds} thousandths of a second")).format(milliseconds=max(1, round(seconds * 1000)))
    said = duration(seconds, say)
    return said if gap.uncertainty < 0.5 else say(N_("about {length}")).format(length=said)


def spans_that_exist(told: Account) -> list[tuple[float, float]]:
    """Where the sound is what was heard: from and to, in seconds into it."""
    holes = sorted((moment.at, moment.at + (moment.seconds or 0)) for moment in told.of(Happening.GAP, Happening.SILENT))
    spans, at = [], 0.0
    for begin, end in [*holes, (told.seconds, told.seconds)]:
        if begin > at:
            spans.append((at, min(begin, told.seconds)))
        at = max(at, end)
    return spans


def from_to(begin: float, end: float, say: Say) -> str:
    return say(N_("from {begin} to {end}")).format(begin=span(begin), end=span(end))
