"""What all screens of the room have in common.

From top to bottom: a headline, one line that says what is happening, what there is to see, one line that says what to do next, what is
wrong if anything is, a notice, and the keys. The lines are functions of the newest snapshot and of the language, and of nothing else:
a screen can be started at any moment and shows where things stand. At 50x15 the part in the middle gives way; the lines never do.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Input

from appliance.agreement import Party, needed
from appliance.meeting import BEFORE_START, State
from appliance.protocol import (
    CancelRequest,
    ConfirmRequest,
    DeclineRequest,
    JoinRequest,
    PressRequest,
    Snapshot,
    StopRequest,
    SwitchOffRequest,
)
from appliance.ui.presses import REPEAT_S, Press, Presses
from appliance.ui.ways import Does, Scroll, Taken, Way
from appliance.ui.widgets.confirmation import Stand, name_of
from appliance.ui.widgets.hold_bar import HoldBar
from appliance.ui.widgets.keys import Keys
from appliance.ui.widgets.words import TroubleLines, Words
from appliance.words import Say, speak


class Table(Protocol):
    """What a screen needs of the program that it belongs to."""

    presses: Presses
    """Of all screens together: a key that is held while the screen changes is still one press."""
    few_glyphs: bool
    """The display has no half blocks: the bare console."""
    heard_at: float
    """When the newest snapshot came (s, monotonic)."""


BUTTON = ("space", "enter")
PARTY_KEYS: dict[Party, str] = {Party.PROFESSIONAL: "p", Party.CLIENT: "c", Party.GUEST: "g"}


class RoomScreen(Screen[None]):
    """A screen. A descendant must write its lines and its ways; it may put something in the middle and keep that up to date."""

    AUTO_FOCUS: ClassVar[str | None] = ""
    picture: ClassVar[str] = ""
    """What stands before the headline, for those who do not read."""

    def __init__(self, now: Snapshot, language: str) -> None:
        super().__init__()
        self.now = now
        self.say = speak(language)
        # What is looked at with each snapshot: looking it up in the tree five times a second would cost more than drawing it.
        self._headline, self._happening, self._next = (Words(id=name) for name in ("headline", "happening", "next"))
        self._trouble, self._hold_bar, self._keys = TroubleLines(), HoldBar(), Keys()
        self._texts: tuple[VerticalScroll, ...] = ()
        self._more = False

    # ── what a screen says: functions of a snapshot

    @abstractmethod
    def headline(self, now: Snapshot, say: Say) -> str: ...

    @abstractmethod
    def happening(self, now: Snapshot, say: Say) -> str: ...

    @abstractmethod
    def next_step(self, now: Snapshot, say: Say) -> str: ...

    @abstractmethod
    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]: ...

    def trouble(self, now: Snapshot, say: Say) -> Sequence[str]:  # noqa: ARG002 - a descendant may look at the language
        """What is wrong, in the service's words. A descendant may leave out what it says in its own lines."""
        return now.trouble

    def middle(self) -> ComposeResult:
        """The widgets between the lines."""
        yield from ()

    def show_middle(self, now: Snapshot, say: Say) -> None:
        """Bring them up to date."""

    @property
    def table(self) -> Table:
        return cast(Table, self.app)

    # ── how it is shown

    def compose(self) -> ComposeResult:
        yield self._headline
        yield self._happening
        with Vertical(id="middle"):
            yield from self.middle()
        yield self._next
        yield self._trouble
        yield Words(id="notice")
        yield self._hold_bar
        yield self._keys

    def on_mount(self) -> None:
        self._texts = tuple(self.query(VerticalScroll))
        for text in self._texts:
            self.watch(text, "virtual_size", self._text_has_another_size, init=False)
        self.show(self.now, self.say)

    def on_resize(self) -> None:
        # Texts that depend on the size are written after the classes for the new size are set.
        self._more = False
        self.call_after_refresh(lambda: self.show(self.now, self.say))

    def show(self, now: Snapshot, say: Say) -> None:
        """Show where the meeting stands. What did not change is not drawn again."""
        self.now, self.say = now, say
        if not (self.is_mounted and self.is_attached and self._headline.is_attached):
            return  # it is being put on the screen, or taken away
        headline = self.headline(now, say)
        self._headline.show(f"{self.picture} {headline}" if self.picture else headline)
        self._happening.show(self.happening(now, say))
        self._next.show(f"► {self.next_step(now, say)}")
        self._trouble.show(tuple(self.trouble(now, say)), say("(and {count} more)"))
        self.set_class(now.touch, "-touch")
        self.set_class(bool(now.trouble), "-troubled")
        self._keys.show(self.ways(now, say))
        self._hold_bar.show(self._held_since(now), now.hold_seconds, hold_means(now, say))
        self.show_middle(now, say)
        if self._texts:
            self.call_after_refresh(self._show_whether_there_is_more)

    def _held_since(self, now: Snapshot) -> float | None:
        """On this machine's own clock: the service's is another one's, and only how long it was counts."""
        if now.held_since is None:
            return None
        return self.table.heard_at - (now.at - now.held_since) / 1000

    def notice(self, words: str) -> None:
        """A short word to the people: a refusal, or 'once more to stop'. Empty takes it away."""
        self.query_one("#notice", Words).show(words)

    # ── keys

    def on_key(self, event: events.Key) -> None:
        if isinstance(self.focused, Input):
            return
        way = self._way_of(event.key)
        if way is None:
            return
        event.stop()
        event.prevent_default()
        match self.table.presses.heard(event.key, event.time):
            case Press.COUNTS:
                self.take(way)
            case Press.WAIT:
                self.set_timer(REPEAT_S, lambda: self._take_if_it_was_a_press(event.key))
            case Press.HELD if isinstance(way.does, Scroll):
                self.take(way)
            case Press.HELD:
                pass

    def _take_if_it_was_a_press(self, key: str) -> None:
        way = self._way_of(key)
        if self.table.presses.still_counts(key) and way is not None:
            self.take(way)

    def _way_of(self, key: str) -> Way | None:
        ways = self.ways(self.now, self.say)
        exactly = next((way for way in ways if key in way.keys), None)
        return exactly or next((way for way in ways if key.lower() in way.keys), None)

    def on_taken(self, message: Taken) -> None:
        if self.took(message.way.does):
            message.stop()

    def take(self, way: Way) -> None:
        if not self.took(way.does):
            self.post_message(Taken(way))

    @property
    def there_is_more(self) -> bool:
        """Whether a text is longer than its place. Once it was, it stays so: the key for it takes room of its own."""
        self._more = self._more or any(text.max_scroll_y > 0 for text in self._texts)
        return self._more

    def _text_has_another_size(self) -> None:
        self.call_after_refresh(self._show_whether_there_is_more)

    def _show_whether_there_is_more(self) -> None:
        if self.there_is_more:
            self._keys.show(self.ways(self.now, self.say))
            self.show_middle(self.now, self.say)

    def took(self, does: Does) -> bool:
        """What concerns only what is on the screen is done here; True if it was."""
        if isinstance(does, Scroll):
            for text in self._texts:
                text.scroll_relative(y=does.lines, animate=False)
            return True
        return False


# ── the ways that several screens have


def press(label: str, say: Say) -> Way:
    return Way(BUTTON, say("Space"), label, PressRequest())


def stop(say: Say) -> Way:
    """From where nothing is being recorded."""
    once_more = say("To stop, press S once more. Would you like to sum up first? Then press the button to go on.")
    return Way(("s",), "S", say("Stop"), StopRequest(), once_more)


def hold_means(now: Snapshot, say: Say) -> str:
    """What comes of it when the button is held to the end; nothing where nothing does."""
    if now.state == State.RECORDING:
        return say("Keep holding to stop. Let go for a pause.")
    if now.state == State.PAUSED or (now.started and now.state in BEFORE_START):
        return say("Keep holding to stop. What was recorded is safe.")
    if now.state in BEFORE_START:
        return say("Keep holding if you would rather not.")
    if now.state == State.HANDOVER:
        return say("Keep holding: you both get your copy later.")
    return ""


def at_the_button(now: Snapshot, one: str, two: str) -> str:
    """Words for a table with one button, or with one for each party."""
    return two if now.buttons > 1 else one


def join(say: Say) -> Way:
    return Way(("j",), "J", say("Somebody joins"), JoinRequest())


def decline(say: Say) -> Way:
    return Way(("d",), "D", say("Rather not"), DeclineRequest(), say("Rather no recording? Press D once more. Nothing is kept."))


def cancel(say: Say) -> Way:
    return Way(("x",), "X", say("Back"), CancelRequest(), say("Back to the beginning? Press X once more. Nothing is kept."))


def switch_off(say: Say) -> Way:
    return Way(("o",), "O", say("Switch off"), SwitchOffRequest(), say("Switch the device off? Press O once more."))


def take_back(say: Say) -> Way:
    """After the start, leaving the join: what was recorded stays."""
    return Way(
        ("x", "d"),
        "X",
        say("Without this person"),
        CancelRequest(),
        say("Go back to the pause, without this person? Press X once more."),
    )


def ways_out(now: Snapshot, say: Say) -> list[Way]:
    """How to leave what was not agreed yet; once a recording exists, without losing any of it."""
    return [stop(say), take_back(say)] if now.started else [decline(say), cancel(say)]


def read_on(now: Snapshot, say: Say, *, more: bool) -> list[Way]:
    """Scrolling a long text, of which there is `more` than fits."""
    if not more:
        return []
    both = [Way((), "↑↓", say("Read on"), None)]
    touched = [Way((), "↓", say("Read on"), Scroll(5)), Way((), "↑", say("Read back"), Scroll(-5))]
    return [
        *(touched if now.touch else both),
        Way(("up",), "", "", Scroll(-1)),
        Way(("down",), "", "", Scroll(1)),
        Way(("pageup",), "", "", Scroll(-5)),
        Way(("pagedown",), "", "", Scroll(5)),
    ]


def for_parties(request: type[ConfirmRequest], parties: Sequence[Party]) -> list[Way]:
    """Each party's own key, shown in their box."""
    return [Way((PARTY_KEYS[party],), PARTY_KEYS[party].upper(), "", request(party)) for party in parties]


def confirmation_stands(now: Snapshot, say: Say) -> list[Stand]:
    """How it stands with each confirmation that the agreement needs."""
    open_now = now.state in {State.ANNOUNCING, State.AGREEING}
    stands = []
    for party in needed(guest=now.guest):
        done = party in now.confirmed
        way = for_parties(ConfirmRequest, [party])[0] if open_now and not done else None
        says = say("confirmed") if done else say("not yet")
        stands.append(Stand(party, name_of(party, say), says, done, now.asked == party, way))
    return stands


def confirming_ways(now: Snapshot, say: Say) -> list[Way]:
    """The button for the party who is asked, and a key for each. With a touch screen the button does not confirm."""
    button = [] if now.touch else [press(say("Confirm"), say)]
    return [*button, *(stand.way for stand in confirmation_stands(now, say) if stand.way is not None)]


def asked_to(now: Snapshot, say: Say, words: str, otherwise: str) -> str:
    """`words` with the name of the party who is asked in its {party}; `otherwise` if nobody is."""
    return words.format(party=name_of(now.asked, say)) if now.asked is not None else otherwise
