"""Lines of text that are drawn anew only when they say something else."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from appliance.ui.letters import draw


class Words(Static):
    """One text; nothing in it is markup. Without words it takes no room."""

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__("", id=id, classes=classes, markup=False)
        self.words = ""
        self.add_class("-empty")

    def show(self, words: str) -> None:
        if words == self.words:
            return
        self.words = words
        self.set_class(not words, "-empty")
        self.update(words)


class TroubleLines(Static):
    """What is wrong, each as a sentence of its own. What does not fit is counted, never dropped in silence."""

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self.sentences: tuple[str, ...] = ()
        self.more = ""
        self.add_class("-empty")

    def show(self, sentences: tuple[str, ...], more: str) -> None:
        """`more`: what stands behind the last sentence when {count} others had no room."""
        if (sentences, more) == (self.sentences, self.more):
            return
        self.sentences, self.more = sentences, more
        self.set_class(not sentences, "-empty")
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        self.update("\n".join(self._that_fit()))

    def _that_fit(self) -> list[str]:
        width = max(1, self.app.size.width - self.gutter.width)
        room = max(2, self.app.size.height // 5)
        lines: list[str] = []
        for count, sentence in enumerate(self.sentences):
            line = f"■ {sentence}"
            needs = len(Content(line).wrap(width)) if width else 1
            if lines and needs > room:
                left = len(self.sentences) - count
                lines[-1] += " " + self.more.format(count=left)
                break
            lines.append(line)
            room -= needs
        return lines


class Large(Widget):
    """A word or a time in letters as large as the room that it gets; in plain letters where none other fit."""

    text: reactive[str] = reactive("")

    def show(self, text: str) -> None:
        self.text = text

    def render(self) -> RenderResult:
        drawn = draw(self.text, self.size.width, self.size.height)
        return Content("\n".join(drawn) if drawn else self.text)

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - Textual's signature
        return container.width
