"""The providers' own Python libraries as signers and verifiers.

A JSON list of messages comes on standard input, each with `sdk`, `secret`, `body`, `time` (Unix seconds), `id`, `url`
and `headers`. One without `signed` is signed, and answered with the headers that the provider would send and the body;
one with it is verified, and answered with true or false. Nothing is computed here: whatever is not the library's is
not tested.

Each function is one provider's. It is handed the message and, to verify, the headers by their lower-case names; to
sign it gives back headers, or puts the signature into the message's body. Libraries that only verify are never asked
to sign.
"""

from datetime import datetime, timezone
from functools import partial
from types import SimpleNamespace
from urllib.parse import parse_qs, parse_qsl, urlencode

from pipe import serve


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
    check, signature = WebhookSignature.verify_header, headers["stripe-signature"]
    return not raises(SignatureVerificationError, check, message["body"], signature, message["secret"], 300)


def standard(webhook, prefix, message, headers):
    from standardwebhooks import WebhookVerificationError

    if headers is None:
        time = datetime.fromtimestamp(message["time"], tz=timezone.utc)
        signature = webhook.sign(message["id"], time, message["body"])
        names = (f"{prefix}-id", f"{prefix}-timestamp", f"{prefix}-signature")
        return dict(zip(names, (message["id"], str(message["time"]), signature)))
    return not raises(WebhookVerificationError, webhook.verify, message["body"], headers)


def standard_webhooks(message, headers):
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


def box(message, headers):
    from box_sdk_gen.internal.utils import compute_webhook_signature
    from box_sdk_gen.managers.webhooks import WebhooksManager

    if headers is not None:
        return WebhooksManager.validate_message(message["body"], headers, message["secret"])
    signed = {name.lower(): value for name, value in message["headers"].items()}
    signed["box-delivery-timestamp"] = datetime.fromtimestamp(message["time"], tz=timezone.utc).isoformat()
    signature = compute_webhook_signature(message["body"], signed, message["secret"])
    return {"BOX-SIGNATURE-PRIMARY": signature, "BOX-DELIVERY-TIMESTAMP": signed["box-delivery-timestamp"]}


def braintree(message, headers):
    from braintree import BraintreeGateway, Configuration, Environment, WebhookNotification
    from braintree.exceptions.invalid_signature_error import InvalidSignatureError

    public_key, private_key = message["secret"].split(":")
    gateway = BraintreeGateway(Configuration(Environment.Sandbox, "merchant", public_key, private_key))
    if headers is None:
        message["body"] = urlencode(gateway.webhook_testing.sample_notification(WebhookNotification.Kind.Check, "1"))
        return {}
    form, parse = dict(parse_qsl(message["body"])), gateway.webhook_notification.parse
    return not raises(InvalidSignatureError, parse, form["bt_signature"], form["bt_payload"])


def castle(message, headers):
    from castle.configuration import Configuration
    from castle.errors import WebhookVerificationError
    from castle.webhooks.verify import WebhooksVerify

    config = Configuration()
    config.api_secret = message["secret"]
    webhook = SimpleNamespace(data=message["body"].encode())
    if headers is None:
        return {"X-Castle-Signature": WebhooksVerify._compute_signature(webhook, config.api_secret)}
    webhook.headers = {"X-Castle-Signature": headers["x-castle-signature"]}
    return not raises(WebhookVerificationError, WebhooksVerify.call, webhook, config)


def coinbase_commerce(message, headers):
    from coinbase_commerce.error import SignatureVerificationError
    from coinbase_commerce.webhook import Webhook, WebhookSignature

    body, secret = message["body"], message["secret"]
    if headers is None:
        return {"X-CC-Webhook-Signature": WebhookSignature._compute_signature(body, secret)}
    signature = headers["x-cc-webhook-signature"]
    return not raises(SignatureVerificationError, Webhook.construct_event, body, signature, secret)


def dropbox_sign(message, headers):
    from dropbox_sign import EventCallbackHelper
    from dropbox_sign.models import EventCallbackRequest

    event = EventCallbackRequest.init(dict(parse_qsl(message["body"]))["json"])
    return EventCallbackHelper.is_valid(message["secret"], event)


def easypost(message, headers):
    from easypost.errors import SignatureVerificationError
    from easypost.util import validate_webhook

    signed = {"X-Hmac-Signature": headers["x-hmac-signature"]}
    return not raises(
        SignatureVerificationError, validate_webhook, message["body"].encode(), signed, message["secret"]
    )


def gocardless(message, headers):
    from gocardless_pro.errors import InvalidSignatureError
    from gocardless_pro.webhooks import parse

    return not raises(InvalidSignatureError, parse, message["body"], message["secret"], headers["webhook-signature"])


def hubspot(version, header, message, headers):
    from hubspot.utils.signature import Signature

    time = str(message["time"] * 1000)
    if headers is not None:
        signature, time = headers[header.lower()], headers.get("x-hubspot-request-timestamp")
        return Signature.is_valid(
            signature, message["secret"], message["body"], message["url"], "POST", version, time
        )
    signature = Signature.get_signature(message["secret"], message["body"], version, message["url"], "POST", time)
    return {header: signature} | ({"X-HubSpot-Request-Timestamp": time} if version == "v3" else {})


def plivo_v2(message, headers):
    from plivo.utils import validate_signature

    nonce, signature = headers["x-plivo-signature-v2-nonce"], headers["x-plivo-signature-v2"]
    return validate_signature(message["url"], nonce, signature, message["secret"])


def plivo_v3(message, headers):
    from plivo.utils.signature_v3 import construct_post_url, get_signature_v3, validate_v3_signature

    form = {name: values if len(values) > 1 else values[0] for name, values in parse_qs(message["body"]).items()}
    nonce, url = message["headers"]["X-Plivo-Signature-V3-Nonce"], message["url"]
    if headers is None:
        content = construct_post_url(url, form).decode()
        return {"X-Plivo-Signature-V3": get_signature_v3(message["secret"], content, nonce).decode()}
    return validate_v3_signature("POST", url, nonce, message["secret"], headers["x-plivo-signature-v3"], form)


def razorpay(message, headers):
    from razorpay import Utility
    from razorpay.errors import SignatureVerificationError

    check, signature = Utility().verify_webhook_signature, headers["x-razorpay-signature"]
    return not raises(SignatureVerificationError, check, message["body"], signature, message["secret"])


def smartcar(message, headers):
    from smartcar import hash_challenge, verify_payload

    if headers is None:
        return {"SC-Signature": hash_challenge(message["secret"], message["body"])}
    return verify_payload(message["secret"], headers["sc-signature"], message["body"])


def square(message, headers):
    from square.utils.webhooks_helper import verify_signature

    return verify_signature(
        request_body=message["body"],
        signature_header=headers["x-square-hmacsha256-signature"],
        signature_key=message["secret"],
        notification_url=message["url"],
    )


def raises(refusal, check, *arguments):
    """Whether a check refuses with its own exception. Any other exception is a fault of the test."""
    try:
        check(*arguments)
        return False
    except refusal:
        return True


SDKS = {
    "box": box,
    "braintree": braintree,
    "castle": castle,
    "coinbase_commerce": coinbase_commerce,
    "dropbox_sign": dropbox_sign,
    "easypost": easypost,
    "gocardless": gocardless,
    "hubspot": partial(hubspot, "v3", "X-HubSpot-Signature-v3"),
    "hubspot_v1": partial(hubspot, "v1", "X-HubSpot-Signature"),
    "hubspot_v2": partial(hubspot, "v2", "X-HubSpot-Signature"),
    "plivo_v2": plivo_v2,
    "plivo_v3": plivo_v3,
    "razorpay": razorpay,
    "slack": slack,
    "smartcar": smartcar,
    "square": square,
    "standard_webhooks": standard_webhooks,
    "stripe": stripe,
    "svix": svix,
    "twilio": twilio,
}


if __name__ == "__main__":
    serve(SDKS)
