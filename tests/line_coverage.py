"""Counts the lines of src/ that tests run, also in processes that type commands, if THAW_COVERAGE names a folder.

Each process leaves a file there; ``python -m slipcover --merge`` adds them up. SlipCover puts a probe
before each line of src/, and a probe calls no Python. A tracer (Coverage on Python 3.11) adds two thirds to the time.
"""

import atexit
import copyreg
import json
import os
import uuid
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

SOURCE = Path(__file__).parents[1] / "src"
DEMONSTRATION = [f"{SOURCE}/{name}" for name in ("demo/*", "gallery.py", "pretrain.py", "probe.py")]


def _uncounted() -> object:
    """Return a probe whose line nobody counts."""
    from slipcover import probe

    return probe.new(SimpleNamespace(newly_seen=defaultdict(set)), "", 0, -1)


def count_lines() -> None:
    """Count the lines of what is imported from here on, in this process and its forks."""
    folder = os.environ.get("THAW_COVERAGE")
    if not folder:
        return
    from slipcover import FileMatcher, ImportManager, Slipcover

    # joblib sends functions to its workers with the probes in them.
    copyreg.pickle(type(_uncounted()), lambda _: (_uncounted, ()))
    # Probes that remove themselves do so in Python, called from C, where a signal's exception is lost and a lock kept.
    counter = Slipcover(source=[str(SOURCE)], omit=DEMONSTRATION, d_miss_threshold=-1)
    ImportManager(counter, FileMatcher(sources=[str(SOURCE)], omit=DEMONSTRATION)).__enter__()
    os.register_at_fork(after_in_child=counter.signal_child_process)
    atexit.register(lambda: (Path(folder) / f"{uuid.uuid4()}.json").write_text(json.dumps(counter.get_coverage())))
