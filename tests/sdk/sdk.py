"""The providers' own Python libraries as signers and verifiers.

A JSON list of messages comes on standard input, each with `sdk`, `secret`, `body`, `time` (Unix seconds), `id` and `url`.
One without `headers` is signed, and answered with the headers that the provider would send; one with `headers` is
verified, and answered with true or false. Nothing is computed here: whatever is not the library's is not tested.
"""

import json
import sys
from datetime import datetime, timezone
from urllib.parse import parse_qsl


class Form(dict):
    """A form whose parameters may stand there several times, as web frameworks hand it to Twilio's library."""

    def __init__(self, body):
        super().__init__()
        for name, value in parse_qsl(body, keep_blank_values=True):
            self.setdefault(name, []).append(value)

    def getall(self, name):
        return self[name]


def stripe(message, headers):
    from stripe import SignatureVerificationError, WebhookSignature

    if headers is None:
        value = WebhookSignature.generate_signature_header(message["body"], message["secret"], message["time"])
        return {"Stripe-Signature": value}
    try:
        return WebhookSignature.verify_header(message["body"], headers["stripe-signature"], message["secret"], 300)
    except SignatureVerificationError:
        return False


def standard(webhook, prefix, message, headers):
    from standardwebhooks import WebhookVerificationError

    if headers is None:
        time = datetime.fromtimestamp(message["time"], tz=timezone.utc)
        signature = webhook.sign(message["id"], time, message["body"])
        names = (f"{prefix}-id", f"{prefix}-timestamp", f"{prefix}-signature")
        return dict(zip(names, (message["id"], str(message["time"]), signature)))
    try:
        webhook.verify(message["body"], headers)
        return True
    except WebhookVerificationError:
        return False


def standardwebhooks(message, headers):
    from standardwebhooks import Webhook

    return standard(Webhook(message["secret"]), "webhook", message, headers)


def svix(message, headers):
    from svix.webhooks import Webhook

    return standard(Webhook(message["secret"]), "svix", message, headers)


def slack(message, headers):
    from slack_sdk.signature import SignatureVerifier

    verifier = SignatureVerifier(message["secret"])
    if headers is not None:
        return verifier.is_valid_request(message["body"], headers)
    time = str(message["time"])
    signature = verifier.generate_signature(timestamp=time, body=message["body"])
    return {"X-Slack-Request-Timestamp": time, "X-Slack-Signature": signature}


def twilio(message, headers):
    from twilio.request_validator import RequestValidator

    validator = RequestValidator(message["secret"])
    form = Form(message["body"])
    if headers is None:
        return {"X-Twilio-Signature": validator.compute_signature(message["url"], form)}
    return validator.validate(message["url"], form, headers["x-twilio-signature"])


SDKS = {"stripe": stripe, "standardwebhooks": standardwebhooks, "svix": svix, "slack": slack, "twilio": twilio}


def answer(message):
    headers = message.get("headers")
    lower = None if headers is None else {name.lower(): value for name, value in headers.items()}
    return SDKS[message["sdk"]](message, lower)


json.dump([answer(message) for message in json.load(sys.stdin)], sys.stdout)
