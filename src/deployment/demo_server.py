"""A local page where a photo can be dropped: its classes, the confidence, and where the network looked."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from src.common.errors import ThawError, one_line
from src.data.listing import UnreadableImageError
from src.deployment.explain_files import views
from src.inference.classifier import Classifier

HOST = "127.0.0.1"
_PAGE = Path(__file__).with_name("demo.html")
_MOST_BYTES = 64_000_000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'"

Answer = Callable[[bytes], dict[str, Any]]


def demo_server(classifier: Classifier, port: int, top: int) -> ThreadingHTTPServer:
    """Return a server of the page on the loopback interface, which nobody else's machine reaches.

    Args:
        classifier: answers.
        port: 0 takes a free one; see `server_port`.
        top: classes that are shown.

    Raises:
        ThawError: the port is taken, or is none.
    """
    lock = threading.Lock()

    def answer(content: bytes) -> dict[str, Any]:
        with lock:
            return describe(classifier, content, top)

    try:
        return ThreadingHTTPServer((HOST, port), _handler(answer))
    except (OSError, OverflowError) as error:
        raise ThawError(f"--port {port}: {getattr(error, 'strerror', None) or error}") from error


def describe(classifier: Classifier, content: bytes, top: int) -> dict[str, Any]:
    """Return what the page shows for the content of a file: classes with probabilities, and pictures; or an error."""
    try:
        square = classifier.square(content)
    except (UnreadableImageError, ThawError) as error:
        return {"error": f"This file cannot be read: {one_line(error, 300)}"}
    (probabilities,) = classifier.probabilities([square], calibrated=True)
    names = classifier.facts.class_names
    try:
        pictures = [(view.data, view.caption) for view in views(classifier, square, "the photo", "")]
    except ThawError:  # an ensemble has no one place where it looks
        pictures = []
    order = probabilities.argsort()[::-1][:top]
    return {"classes": [(names[k], float(probabilities[k])) for k in order], "views": pictures}


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Serves the page, and answers what it asks."""

        def do_GET(self) -> None:
            """Send the page."""
            if self._is_local() and self.path == "/":
                self._send(200, _PAGE.read_bytes(), "text/html; charset=utf-8")
            else:
                self._send(404, b"", "text/plain")

        def do_POST(self) -> None:
            """Answer for the photo that is sent."""
            size = self.headers.get("Content-Length", "")
            if not self._is_local() or self.path != "/predict" or not size.isdecimal() or int(size) > _MOST_BYTES:
                self._send(400, json.dumps({"error": "Send one photo of up to 64 MB."}).encode(), "application/json")
                return
            description = answer(self.rfile.read(int(size)))
            self._send(400 if "error" in description else 200, json.dumps(description).encode(), "application/json")

        def _is_local(self) -> bool:
            """Return whether the page was asked for by its own address: another site's name may lead here."""
            return self.headers.get("Host", "").rpartition(":")[0] in {HOST, "localhost"}

        def _send(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            for name, value in (("Content-Type", kind), ("Content-Length", str(len(content)))):
                self.send_header(name, value)
            self.send_header("Content-Security-Policy", _POLICY)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            """Print nothing for each request."""

    return Handler
