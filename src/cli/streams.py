"""Standard output and standard error, as a command leaves them."""

import io
import os
import sys


def escape_unencodable() -> None:
    """Print what a stream cannot encode, such as file names that are no text, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard(*outputs: int) -> None:
    """Send nowhere what is still to be printed to `outputs` (1, 2): Python would complain of it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in outputs:
        os.dup2(nowhere, output)
