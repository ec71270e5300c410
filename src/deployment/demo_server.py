"""A local page where a photo can be dropped: its classes, the confidence, and where the network looked."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from src.common.errors import ThawError, one_line
from src.data.listing import UnreadableImageError
from src.deployment.explain_files import View, views
from src.inference.classifier import Classifier
from src.inference.explanation import Explainer

HOST = "127.0.0.1"
_PAGE = Path(__file__).with_name("demo.html")
_MOST_BYTES, _MOST_DIGITS = 64_000_000, 20
_SECONDS = 60.0
"""A request may take them to come."""

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "frame-ancestors 'none'"
)

Answer = Callable[[bytes], dict[str, Any]]


def demo_server(classifier: Classifier, port: int, top: int) -> ThreadingHTTPServer:
    """Return a server of the page on the loopback interface, which nobody else's machine reaches.

    Args:
        classifier: answers.
        port: 0 takes a free one; see `server_port`.
        top: classes that are shown.

    Raises:
        ThawError: the port is taken, or is not for everybody.
    """
    lock, explainer = threading.Lock(), _explainer(classifier)

    def answer(content: bytes) -> dict[str, Any]:
        with lock:
            return describe(classifier, explainer, content, top)

    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer), "timeout": _SECONDS})
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise ThawError(f"--port {port}: {error.strerror or error}; give another one, or 0 for a free one") from error


def _explainer(classifier: Classifier) -> Explainer | None:
    """Return what shows where the network looks; None of an ensemble, which looks in several ways."""
    try:
        return Explainer.of(classifier)
    except ThawError:
        return None


def describe(classifier: Classifier, explainer: Explainer | None, content: bytes, top: int) -> dict[str, Any]:
    """Return what the page shows for the content of a file: classes with probabilities, and pictures; or an error."""
    try:
        image = classifier.square(content)
    except (UnreadableImageError, ThawError) as error:
        return {"error": f"This file cannot be read: {one_line(error, 300)}"}
    names, pictures = classifier.facts.class_names, list[View]()
    if explainer is None:
        (probabilities,) = classifier.probabilities([image], calibrated=True)
    else:
        (explanation,) = explainer.explain([image])
        probabilities, pictures = explanation.probabilities, views(names, image, explanation, "the photo", None)
    order = probabilities.argsort()[::-1][:top]
    return {
        "classes": [(names[k], float(probabilities[k])) for k in order],
        "views": [(view.data, view.caption) for view in pictures],
    }


class _Handler(BaseHTTPRequestHandler):
    """Serves the page, and answers what it asks; a server's own class of it has `answer`."""

    answer: Answer

    def do_GET(self) -> None:
        """Send the page."""
        if self._is_local() and self.path == "/":
            page = _PAGE.read_text("utf-8").replace("{{ most_bytes }}", str(_MOST_BYTES))
            self._send(200, page.encode(), "text/html; charset=utf-8")
        else:
            self._send(404, b"", "text/plain")

    def do_POST(self) -> None:
        """Answer for the photo that is sent; it is read in any case, or browsers would see a broken connection."""
        text = self.headers.get("Content-Length", "")
        size = int(text) if text.isdecimal() and len(text) < _MOST_DIGITS else _MOST_BYTES + 1
        content = self.rfile.read(size) if size <= _MOST_BYTES else b""
        if not self._is_local() or self.path != "/predict":
            self._answer(400, {"error": "Send one photo to /predict."})
        elif not self._is_asked_by_the_page():
            self._answer(403, {"error": "Only the page itself may ask."})
        elif size > _MOST_BYTES:
            self._answer(413, {"error": "Send a photo of up to 64 MB, and its size."})
        else:
            description = self.answer(content)
            self._answer(400 if "error" in description else 200, description)

    def _is_local(self) -> bool:
        """Return whether the page was asked for by its own address: another site's name may lead here."""
        return self.headers.get("Host", "").rpartition(":")[0] in {HOST, "localhost"}

    def _is_asked_by_the_page(self) -> bool:
        """Return whether no other site asks: browsers say which one does; programs say nothing."""
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site")
        return origin in {None, f"http://{self.headers.get('Host')}"} and site in {None, "same-origin"}

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", _POLICY)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Print nothing for each request."""
