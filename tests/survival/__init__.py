"""What a recording survives, tried: `python -m tests.survival` prints the table.

`cuts` plays power cuts and kills on the simulated disk, `kills` kills the real service, `field` does to files what was found in
the field; each gives trials, and each trial checks what came out sample by sample. The ordinary tests run some of each.
"""
