"""The page's words, by where they stand in leesmij.html, and those that its script says. B1, spoken to as 'u'; places in braces.

They promise nothing that is not so: the page tells a changed file from a whole one, but a page can be changed as well; that is why
the receipt and the signature are told of beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

from appliance.words import N_

TITLE = N_("Recording of a conversation")

TEXTS: Mapping[str, str] = {
    "heading": N_("This is the recording of a conversation"),
    "which": N_("Recorded {when}. It lasts {length}. Its code is {id}."),
    "what_heading": N_("What is this?"),
    "listen_heading": N_("Listen"),
    "cannot_play": N_(
        "The recording cannot be played from here. Open the file gesprek.wav in the folder data, "
        "or choose it below under 'Is it unchanged?'."
    ),
    "drawing_caption": N_("How loud it is, from beginning to end. The lines are the moments below. Click to listen from there."),
    "moments_heading": N_("What happened during the recording"),
    "check_heading": N_("Is it unchanged?"),
    "check_how": N_(
        "Choose the file gesprek.wav, in the folder data on this stick. This page then counts through the whole file. "
        "That takes some seconds. Nothing is sent to anybody."
    ),
    "check_choose": N_("Choose gesprek.wav, or drop it here"),
    "no_script": N_(
        "Your browser does not run this page's program. You can check the recording in the ways that stand at the end."
    ),
    "receipt_heading": N_("The sign of this recording"),
    "receipt_how": N_(
        "These 64 letters and digits (the SHA-256 of the recording) were on the screen when you both got your stick. "
        "Did you take a photo? Then compare. If they are the same, this page belongs to your recording."
    ),
    "receipt_type": N_("Or type or paste them from your photo"),
    "agreed_heading": N_("What was agreed"),
    "agreed_who": N_("These words were confirmed by {who}:"),
    "rules_heading": N_("What we keep to"),
    "lost_heading": N_("Is the stick lost?"),
    "lost": N_(
        "Tell the organisation, as soon as you can. As long as the device still has the recording, you can get a new copy. "
        "Until when that is, stands above under 'What was agreed'."
    ),
    "contact": N_("Ask: {contact}"),
    "prove_heading": N_("For whoever wants to be quite sure"),
    "prove_how": N_(
        "A page can be forged, and this one too. So everything here can also be checked with programs that others made and that "
        "cost nothing. Open a terminal in this folder."
    ),
}
"""By the name of the place."""

WHAT: tuple[str, ...] = (
    N_("A conversation was recorded openly. Everybody at the table knew it, and agreed to it beforehand: {who}."),
    N_("Two sticks were made, and they are the same to the last bit. The professional has one, the client has one."),
    N_("Nothing on them says whose this one is. You both have the same."),
    N_("The recording is one whole. Every second is tied to the one before, so nobody can cut in it unseen."),
    N_("Every pause, and every piece that is missing, stands below."),
    N_("The recording is the file gesprek.wav, in the folder data. Every player can play it."),
    N_("This page works without internet. It sends nothing to anybody."),
)
PART = N_("This is part {n} of the conversation. The earlier parts have the codes {parts}.")
NOTED = N_("Something went wrong during the recording. What exactly stands in NOTE.txt, in the folder data.")

RULES: tuple[str, ...] = (
    N_(
        "The recording is for the two of you. Do not give it to others and do not put it on the internet, "
        "unless you agree on that together."
    ),
    N_("Do not cut in it and do not paste into it, unless you say so to each other."),
    N_("You may both use it: to listen to it again, and if there is ever a complaint or a procedure."),
    N_("Keep the stick in a safe place. Whoever has it can listen."),
)

SAID: Mapping[str, str] = {
    "checking": N_("The file is being counted through. One moment."),
    "intact": N_("✓ Intact. This is the recording that both parties received. Not one bit was changed."),
    "changed": N_("✗ Changed. This file comes from this recording, but it was changed. It is not what both parties received."),
    "changed-length": N_(
        "✗ Changed. This file comes from this recording, but it was changed. It is not what both parties received. "
        "The recording lasts {own}, this file {length}."
    ),
    "other": N_("✗ Not this recording. The file {name} is another one."),
    "unreadable": N_("✗ The file {name} cannot be read. Take the stick out, put it in again, and choose the file once more."),
    "receipt-same": N_("✓ The same. This page belongs to the recording of your photo."),
    "receipt-more": N_("Right so far: {n} of 64. Go on."),
    "receipt-other": N_(
        "✗ Not the same. Look for a typing error. If there is none, this page does not belong to your recording."
    ),
}
"""What the script says, by what it calls it."""

_SSH_KEYGEN = """\
ssh-keygen -Y verify -f allowed_signers -I meeting-recorder -n meeting-recorder \\
  -s tagmanifest-sha256.txt.sig < tagmanifest-sha256.txt"""
_STAMP = """\
curl -H 'Content-Type: application/timestamp-query' \\
  --data-binary @tagmanifest-sha256.txt.tsq https://AUTHORITY -o stamp.tsr
openssl ts -verify -in stamp.tsr -queryfile tagmanifest-sha256.txt.tsq -CAfile AUTHORITY.pem"""

PROVE: tuple[tuple[str, str], ...] = (
    (
        N_("Every file is as it was sealed (Linux; on a Mac: shasum -a 256 -c):"),
        "sha256sum -c tagmanifest-sha256.txt\nsha256sum -c manifest-sha256.txt",
    ),
    (
        N_("The same on Windows, in PowerShell, for the sound; it must show the sign above:"),
        "Get-FileHash data\\gesprek.wav",
    ),
    (
        N_(
            "It was this room's device that sealed it. The answer must name the key {key}, and the same must stand on the "
            "organisation's own page or on the card of the room:"
        ),
        _SSH_KEYGEN,
    ),
    (
        N_("It is a bag by the rules of the Library of Congress (BagIt, RFC 8493):"),
        "python3 -m bagit --validate .",
    ),
    (
        N_("With the device's own program, which also says from which second to which something was changed:"),
        "meeting-recorder verify --key {key} .",
    ),
    (
        N_(
            "Do you want to be able to show later that it existed today? Let any time-stamp authority stamp it (RFC 3161). "
            "Only a number goes there, and nothing of what was said. Keep the answer:"
        ),
        _STAMP,
    ),
)
"""What it proves, and the command."""
