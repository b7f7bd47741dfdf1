"""The command line: everything a person does in the room can be done from a shell.

Exit status: 0 done; 1 it did not succeed, or the meeting does not allow it now; 2 asked wrongly; 3 the service is not there.
With `--json` the last line of the output is one JSON object or list. Both are a contract.
"""

from __future__ import annotations

import click

from appliance import __version__
from appliance.commands.clock import clock
from appliance.commands.configuration import config
from appliance.commands.kept import copy, recordings, retention, take_in
from appliance.commands.key import key
from appliance.commands.looking import devices, doctor
from appliance.commands.publishing import website
from appliance.commands.room import room
from appliance.commands.serving import demo, serve, ui
from appliance.commands.verifying import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="meeting-recorder")
def main() -> None:
    """The recorder on the table: one open recording of a meeting, two equal copies.

    \b
    Try it without any hardware:    meeting-recorder demo
    Run it:                         meeting-recorder serve
    Look at it, in a terminal:      meeting-recorder ui
    Check a copy:                   meeting-recorder verify FOLDER
    """


ROOM = (serve, ui, demo, room, copy, take_in)
OFFICE = (verify, recordings, retention, clock, key, config, devices, website, doctor)
for command in (*ROOM, *OFFICE):
    main.add_command(command)
