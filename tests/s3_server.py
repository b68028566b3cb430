"""A real S3 server on the loopback interface, in a process of its own."""

import os
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager

DEADLINE_S = 60

# One request at a time, so that looking for an object and writing it are one step, as in S3 itself. Each connection
# has a thread none the less: clients open some in reserve and say nothing on them for a while.
_PROGRAM = """
import threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

application, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()

def answer(environment, start):
    with turn:
        return list(application(environment, start))

server = make_server("127.0.0.1", 0, answer, threaded=True)
print(server.port, flush=True)
server.serve_forever()
"""


@contextmanager
def s3_server():
    """The variables under which clients find the server, which ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        watch = threading.Timer(DEADLINE_S, server.kill)
        watch.start()
        try:
            port = int(server.stdout.readline())
            watch.cancel()
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "NO_PROXY": ",".join(filter(None, ["127.0.0.1", os.environ.get("NO_PROXY")])),
            }
        finally:
            watch.cancel()
            server.kill()
            server.wait(timeout=DEADLINE_S)


def make_bucket(variables, name):
    """The URI of a new bucket."""
    request = urllib.request.Request(f"{variables['AWS_ENDPOINT_URL']}/{name}", method="PUT")
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
        answer.read()
    return f"s3://{name}"
