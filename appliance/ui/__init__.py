"""The room's screen: what the two people at the table see, and the keys and touches with which they say what they want.

A pure client of the service. It shows the newest snapshot and sends intentions; killing it changes nothing.
"""
