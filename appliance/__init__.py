"""The meeting-room recorder: one open recording of a meeting, two equal copies.

Kept free of imports: the capture child and the mirror children start from here too, and they must stay small.
"""

__version__ = "0.1.0"
