"""A relay before a server, which can be as networks, proxies and restarted servers are."""

import contextlib
import socket
import threading
from typing import Literal

Mode = Literal["passes", "refuses", "answers", "is silent", "loses answers", "loses one answer"]


class Relay:
    """Relays connections to a port of this machine, until :meth:`be` says otherwise; closed by :meth:`close`."""

    def __init__(self, port: int) -> None:
        self.behind, self.mode, self.reply = port, "passes", b""
        self.requests = 0
        self._open: list[socket.socket] = []
        self._listener = self._listen(0)
        self.port = int(self._listener.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self.port}"

    def be(self, mode: Mode, status: str = "", body: str = "") -> None:
        """Change how it treats connections, which are all closed; "answers": by `status` and `body`."""
        if self.mode == "refuses" and mode != "refuses":
            self._listener = self._listen(self.port)
        self.mode, self.requests = mode, 0
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close"
        self.reply = f"{head}\r\n\r\n{body}".encode()
        if mode == "refuses":
            self._end(self._listener)
        for connection in self._open:
            self._end(connection)
        self._open = []

    def close(self) -> None:
        self.be("refuses")

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection, self.mode), daemon=True).start()
            if self.mode == "loses one answer":
                self.mode = "passes"

    def _serve(self, connection: socket.socket, mode: str) -> None:
        with contextlib.suppress(OSError):
            if mode in ("answers", "is silent"):
                self._swallow(connection, mode)
                return
            behind = socket.create_connection(("127.0.0.1", self.behind))
            self._open.append(behind)
            threading.Thread(target=self._pump, args=(connection, behind, True), daemon=True).start()
            self._pump(behind, connection, mode == "passes")

    def _swallow(self, connection: socket.socket, mode: str) -> None:
        connection.settimeout(0.2)  # a request's end is not looked for
        with contextlib.suppress(TimeoutError):
            while connection.recv(65536):
                pass
        self.requests += 1
        if mode == "answers":
            connection.sendall(self.reply)
            self._end(connection)

    def _pump(self, source: socket.socket, sink: socket.socket, passes: bool) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                if not passes:
                    self.requests += 1
                    break
                sink.sendall(content)
        self._end(sink)

    @staticmethod
    def _end(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
