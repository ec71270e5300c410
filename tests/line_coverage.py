"""Counts the lines of src/ that tests run, also in processes that type commands, if THAW_COVERAGE names a folder.

Each process leaves a file there; ``python -m slipcover --merge`` adds them up. SlipCover rewrites the bytecode of src/:
a line costs nothing after it has run. A tracer (Coverage on Python 3.11) adds two thirds to the time of the tests.
"""

import atexit
import json
import os
import uuid
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
DEMONSTRATION = [f"{SOURCE}/{name}" for name in ("demo/*", "gallery.py", "pretrain.py", "probe.py")]


def count_lines() -> None:
    """Count the lines of what is imported from here on, in this process and its forks."""
    folder = os.environ.get("THAW_COVERAGE")
    if not folder:
        return
    from slipcover import FileMatcher, ImportManager, Slipcover

    counter = Slipcover(source=[str(SOURCE)], omit=DEMONSTRATION)
    ImportManager(counter, FileMatcher(sources=[str(SOURCE)], omit=DEMONSTRATION)).__enter__()
    os.register_at_fork(after_in_child=counter.signal_child_process)
    atexit.register(lambda: (Path(folder) / f"{uuid.uuid4()}.json").write_text(json.dumps(counter.get_coverage())))
