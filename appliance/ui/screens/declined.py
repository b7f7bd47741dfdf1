"""Declined: no recording, and that is fine. The two choose something else, and may write it down for each other (R1)."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input

from appliance.meeting import Alternative
from appliance.protocol import Snapshot
from appliance.ui.screens.room_screen import RoomScreen, cancel, press
from appliance.ui.ways import Choose, Does, KeepNote, LeaveNoteOut, Taken, Way, Written
from appliance.ui.widgets.stick_line import Sticks
from appliance.ui.widgets.words import Words
from appliance.words import Say

LONGEST_NOTE = 500


class Note(Input):
    """A short note. Enter keeps it, Escape leaves it out."""

    BINDINGS = [Binding("escape", "leave_out", show=False)]  # noqa: RUF012 - as Textual has it

    def __init__(self) -> None:
        super().__init__(max_length=LONGEST_NOTE, compact=True)
        self.display = False

    def action_leave_out(self) -> None:
        self.value = ""
        self.display = False
        self.screen.set_focus(None)


class Choice(Words):
    """One thing to do instead: its number is a key, and all of it can be touched."""

    way: Way | None = None

    def show_choice(self, way: Way, say: Say, *, chosen: Alternative | None) -> None:
        self.way = way
        if isinstance(way.does, Choose):
            mark = "►" if chosen is way.does.alternative else " "
            self.show(f"{mark} {way.keys[0]}  {name_of_alternative(way.does.alternative, say)}")

    def on_click(self) -> None:
        if self.way is not None:
            self.post_message(Taken(self.way))


class Declined(RoomScreen):
    chosen: Alternative | None = None
    """What is being written down, until it is sent."""

    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("No recording. That is fine.")

    def happening(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Choose something else together:")

    def next_step(self, now: Snapshot, say: Say) -> str:
        if self._writing():
            return say("Write it down in a few words, and press Enter. Rather not? Press Esc.")
        if now.touch:
            return say("Would you like a short note of it? Then you both take it home. Touch what you choose.")
        return say("Would you like a short note of it? Then you both take it home. Press 1, 2, 3 or 4.")

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:
        if self._writing():
            return [Way((), "Enter", say("Keep the note"), KeepNote()), Way((), "Esc", say("No note"), LeaveNoteOut())]
        choices = choosing_ways()
        if now.touch:
            return [*choices, press(say("To the beginning"), say), hidden(cancel(say))]
        return [Way((), "1-4", say("Choose"), None), *choices, press(say("To the beginning"), say), hidden(cancel(say))]

    def middle(self) -> ComposeResult:
        with Vertical(id="alternatives"):
            for _ in Alternative:
                yield Choice()
        yield Note()
        yield Sticks()

    def show_middle(self, now: Snapshot, say: Say) -> None:
        for choice, way in zip(self.query(Choice), choosing_ways(), strict=True):
            choice.show_choice(way, say, chosen=self.chosen)
        sticks = self.query_one(Sticks)
        sticks.display = any(copy.state != "waiting" for copy in now.copies) and not self._writing()
        sticks.show(now.copies, say)

    def took(self, does: Does) -> bool:
        note = self.query_one(Note)
        match does:
            case Choose(alternative):
                self.chosen = alternative
                note.display = True
                if self.now.touch:  # without a keyboard there is something to keep
                    note.value = name_of_alternative(alternative, self.say)
                note.focus()
            case KeepNote():
                self._keep(note.value)
            case LeaveNoteOut():
                note.action_leave_out()
            case _:
                return super().took(does)
        return True

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self._keep(message.value)

    def _keep(self, note: str) -> None:
        if note.strip() and self.chosen is not None:
            self.post_message(Written(self.chosen, note.strip()))
        self.query_one(Note).action_leave_out()

    def on_descendant_focus(self) -> None:
        self.show(self.now, self.say)

    def on_descendant_blur(self) -> None:
        self.show(self.now, self.say)

    def _writing(self) -> bool:
        return isinstance(self.focused, Note)


def choosing_ways() -> list[Way]:
    return [Way((str(number),), "", "", Choose(other)) for number, other in enumerate(Alternative, 1)]


def hidden(way: Way) -> Way:
    """A way whose key works without being shown: the button next to it does the same."""
    return Way(way.keys, way.shown, "", way.does, way.once_more)


def name_of_alternative(alternative: Alternative, say: Say) -> str:
    return {
        Alternative.SUMMARY: say("a short summary, made together"),
        Alternative.TRUSTED: say("somebody you trust comes along"),
        Alternative.FOLLOW_UP: say("a second meeting"),
        Alternative.OTHER: say("something else"),
    }[alternative]
