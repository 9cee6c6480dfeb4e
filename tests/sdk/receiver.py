"""A receiver of webhooks as a careful team writes it: the provider's own library checks, each event is acted on once, and
nothing else is served. It says where it listens on standard error, and serves `/hooks` until it is ended.

Arguments: the provider, by its function in `sdk.py`, and the secret.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import sdk

ID_FIELDS = ("webhook-id", "svix-id")
SIGNED_FIELDS = (
    "webhook-id", "webhook-timestamp", "webhook-signature",
    "svix-id", "svix-timestamp", "svix-signature",
    "x-slack-signature", "x-slack-request-timestamp", "stripe-signature",
)
SEEN, LOCK = set(), Lock()


def event_id(headers, body):
    for field in ID_FIELDS:
        if field in headers:
            return headers[field]
    event = json.loads(body)
    return event.get("id") or event["event_id"]


class Hooks(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.split("?")[0] != "/hooks":
            return self.say(404, "no")
        if any(len(self.headers.get_all(name, [])) > 1 for name in SIGNED_FIELDS):
            return self.say(400, "no")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            text = body.decode()
            message = {"secret": sys.argv[2], "body": text}
            if not getattr(sdk, sys.argv[1])(message, headers):
                return self.say(401, "no")
            event = event_id(headers, text)
        except Exception:
            return self.say(401, "no")
        with LOCK:
            known = event in SEEN
            SEEN.add(event)
        self.say(200, "known already" if known else "done")

    def say(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Hooks)
print("listening", server.server_port, file=sys.stderr, flush=True)
server.serve_forever()
