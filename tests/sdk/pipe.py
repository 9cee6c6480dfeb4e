"""The pipe to the tests: messages come in as JSON, and answers go back in their order.

A message names its sender. One that brings what was signed for it is checked there; any other is signed.
"""

import json
import sys
from contextlib import redirect_stdout


def answer(senders, message):
    sender = senders[message["sdk"]]
    if "signed" in message:
        return sender(message, {name.lower(): value for name, value in message["signed"].items()})
    headers = sender(message, None)
    return {"headers": headers, "body": message["body"]}


def serve(senders):
    # Standard output is for the answers: what libraries have to tell goes elsewhere.
    with redirect_stdout(sys.stderr):
        answers = [answer(senders, message) for message in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)
