"""What lies in a copy for people to read: the page that plays, explains and checks it, and the note when something failed.

All of it is made from what the sealed recording itself says, so that both copies hold the same.
"""
