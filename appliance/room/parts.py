"""What stands on the table: the buttons, the light and the loudspeaker that the configuration names, opened together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.agreement import PARTIES, Party
from appliance.config import Config, Sound
from appliance.room.button import Button, Contact, Fingers, PinButton
from appliance.room.light import Lamp, NoSecondLamp, PinLamp, PinSecondLamp, SecondLamp, SimulatedLamp
from appliance.room.pins import open_pins
from appliance.room.sounds import Loudspeaker, has_sound_card


@dataclass(frozen=True, slots=True)
class Parts:
    lamp: Lamp
    second_lamp: SecondLamp
    buttons: tuple[Button, ...]
    loudspeaker: Loudspeaker


def open_parts(
    config: Config, fingers: Fingers, sounds: Callable[[str], None], clock_ns: Callable[[], int], *, simulated_room: bool
) -> Parts:
    """sounds: told what the loudspeaker plays. Raises PinsError, with a sentence, when the configured pins cannot be had."""
    loudspeaker = Loudspeaker(None if simulated_room else _device(config.sound), sounds)
    factory = open_pins(config.pins.factory)
    if factory is None:
        return Parts(SimulatedLamp(), NoSecondLamp(), (), loudspeaker)
    settings = config.button
    owners: tuple[Party | None, ...] = (None,) if len(settings.pins) < 2 else PARTIES
    buttons: tuple[Button, ...] = tuple(
        PinButton(
            factory,
            pin,
            Contact(fingers, owner, settings.bounce_milliseconds * 1_000_000),
            clock_ns,
            hold_seconds=settings.hold_seconds,
            bounce_seconds=settings.bounce_milliseconds / 1000,
        )
        for pin, owner in zip(settings.pins, owners, strict=False)
    )
    lights = config.light
    second = NoSecondLamp() if lights.trouble_pin is None else PinSecondLamp(factory, lights.trouble_pin)
    return Parts(PinLamp(factory, lights.pin), second, buttons, loudspeaker)


def _device(sound: Sound) -> str | None:
    """None for silence: switched off, or a machine without a sound card and none named."""
    return sound.device if (sound.tones or sound.prompts) and (sound.device or has_sound_card()) else None
