"""How long the recording is by now: the largest thing on the screen while it runs."""

from __future__ import annotations

from appliance.ui.widgets.words import Large
from appliance.words import span


class ElapsedTime(Large):
    def show_seconds(self, seconds: float) -> None:
        """`seconds` of audio that are on the disk. Drawn anew once a second, not with each snapshot."""
        self.show(span(seconds))
