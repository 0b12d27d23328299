"""Receive webhooks: UNK_WEBHOOK_SECRET=whsec_… python3 receive.py PORT"""
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from unknownpay import verify_webhook


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not verify_webhook(os.environ["UNK_WEBHOOK_SECRET"], headers, body):
            self.send_error(401)
            return
        # webhook-id stays the same over retries: remember it, and act once.
        print(headers["webhook-id"], json.loads(body)["type"], flush=True)
        self.send_response(204)
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
