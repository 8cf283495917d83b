# SPDX-License-Identifier: Apache-2.0
"""HTTP servers on loopback that answer as a test tells them to."""

import contextlib
import email.utils
import http.server
import threading
import time


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        request = (self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.server.seen.append((*request, self.rfile.read(length)))
        status, body, *more = self.server.answer(*request)
        self.send_response(status)
        for name, value in (more[0] if more else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(time.time() + self.server.ahead, usegmt=True)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def server(answer, ahead=0):
    """An HTTP server on loopback; `answer(method, path, headers)` gives status, body and, if need be, more headers; `seen` is what it was asked.

    Its clock is `ahead` by so many seconds.
    """
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.answer, made.seen, made.ahead = answer, [], ahead
    made.url = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        thread.join()
        made.server_close()
