"""Thaw: how much of a pre-trained network should you unfreeze?"""

import atexit
import gc

PYTHONS_THRESHOLD = gc.get_threshold()


def collect_as_usual() -> None:
    """Look for garbage as Python does; what was imported before is none, and stays out of it."""
    gc.freeze()
    gc.set_threshold(*PYTHONS_THRESHOLD)


# Imports make half a million objects that stay. To look for garbage among them takes a second at the start, where
# Python does so again and again, and another at the end, where the system takes all back anyway.
gc.set_threshold(1_000_000, 20, 100)
atexit.register(gc.freeze)
