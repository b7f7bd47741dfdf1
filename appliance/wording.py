"""The words of a meeting: the organisation's own texts, filled in for today."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from appliance.agreement import Agreement, fill
from appliance.clock import Clock
from appliance.config import Config, ConfigError, Places, Texts, agreement_texts
from appliance.retention import at_the_latest
from appliance.trust import Trust
from appliance.words import N_, Say, day, speak

log = logging.getLogger(__name__)


class Wording:
    def __init__(self, places: Places, config: Config, clock: Clock) -> None:
        self._places = places
        self._config = config
        self._clock = clock
        self._zone = ZoneInfo(config.organisation.timezone)
        self._good: dict[str, Texts] = {}

    def check(self, languages: Iterable[str]) -> None:
        """Read all that may be needed. Raises ConfigError, with a sentence, when somebody made a mistake in one of them."""
        for language in languages:
            self._good[language] = agreement_texts(self._places, language)

    def agreement(self, language: str) -> Agreement:
        """The wording as it stands now, filled in; when somebody is just making a mistake in it, as it stood before."""
        texts = self._texts(language)
        organisation = self._config.organisation
        say = speak(language)
        places = {
            "date": self._last_day(say),
            "contact": organisation.contact or say(N_("the professional at this table")),
            "organisation": organisation.name or say(N_("the organisation")),
        }
        return Agreement(language, fill(texts.announcement, places), fill(texts.agreement, places))

    def _last_day(self, say: Say) -> str:
        """Nobody is promised a date by a clock that may be wrong."""
        if self._clock.trust() is Trust.NONE:
            return say(N_("day {days} after today")).format(days=self._config.retention.keep_days_without_handover)
        now: datetime = self._clock.wall().astimezone(self._zone)
        return day(at_the_latest(now, self._config.retention), say)

    def _texts(self, language: str) -> Texts:
        try:
            self._good[language] = agreement_texts(self._places, language)
        except ConfigError as error:
            log.warning("the wording is used as it was: %s", error)
        return self._good[language]
