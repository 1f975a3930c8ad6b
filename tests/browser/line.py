"""The network between browser and server, to be cut and mended: bytes are passed on, both ways, until they are not."""

from __future__ import annotations

import contextlib
import socket
import threading

HOST = "127.0.0.1"


class Line:
    """Listens on `port` and passes every connection on to the server's port."""

    def __init__(self, to_port: int) -> None:
        self._to = to_port
        self._whole = True
        self._flows = threading.Event()
        self._flows.set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Everything that is open breaks off, and nothing gets through."""
        with self._lock:
            self._whole = False
            for end in self._open:
                _end(end)

    def hold(self) -> None:
        """Nothing breaks off, and nothing comes through any more: what a network does that has lost a router."""
        self._flows.clear()

    def mend(self) -> None:
        with self._lock:
            self._whole = True
        self._flows.set()

    def close(self) -> None:
        self.cut()
        self._flows.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection((HOST, self._to))
                self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flows.wait()
                sink.sendall(data)
        with self._lock:
            _end(source)
            _end(sink)
            self._open -= {source, sink}


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
