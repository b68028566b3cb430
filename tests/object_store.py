"""An object store on the loopback address that refuses or drops everything."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: What a job's ``[source] storage_options`` say; the environment holds the rest.
SECRET = "a-secret-that-no-record-holds"


@contextmanager
def bad_server(status: int | None) -> Iterator[str]:
    """The endpoint of a server that answers all with `status`, or cuts every connection for None."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if status is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - the names that the base class looks for

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
