"""A service that takes webhooks and checks nothing: the sidecar does."""
import http.server
import json


class Hooks(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, {"ok": True})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = self.headers.get("X-GitHub-Event", "")
        verified = self.headers.get("X-Hookwarden-Verified", "false")
        print(json.dumps({"event": event, "bytes": len(body), "verified": verified}), flush=True)
        self.answer(200, {"received": event})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Hooks).serve_forever()
