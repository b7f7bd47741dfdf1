"""A day and a time as people say them."""

from __future__ import annotations

from datetime import datetime

from appliance.words import MONTHS, WEEKDAYS, Say


def day_and_time(when: str, say: Say) -> str:
    """An ISO 8601 date and time in words. What is not one is returned as it is: somebody wrote it to be read."""
    try:
        moment = datetime.fromisoformat(when)
    except ValueError:
        return when
    said = say("{day} {month} at {hour}:{minute}")
    return said.format(
        day=moment.day, month=say(MONTHS[moment.month - 1]), hour=f"{moment.hour:02d}", minute=f"{moment.minute:02d}"
    )


def today_is(clock: str, say: Say) -> str:
    """What the device's clock says, an ISO 8601 date and time, so that somebody at the table notices when it is wrong."""
    moment = datetime.fromisoformat(clock)
    said = say("Today is {weekday} {day} {month} {year}, {hour}:{minute}.")
    return said.format(
        weekday=say(WEEKDAYS[moment.weekday()]),
        day=moment.day,
        month=say(MONTHS[moment.month - 1]),
        year=moment.year,
        hour=f"{moment.hour:02d}",
        minute=f"{moment.minute:02d}",
    )
