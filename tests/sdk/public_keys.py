"""Senders who sign with a private key: `cryptography` as each of them, and the providers' own verifiers.

Messages come and are answered as in `sdk.py`; each also has `private`, the private key in PEM, and `secret` is the
public one. Providers with such keys publish no signer, so that each is written here once more from its own page, in a
few lines over an independent implementation of the algorithms. `discord` and `sendgrid` verify with the provider's own
library.
"""

import base64
import hashlib
import json
from datetime import datetime, timezone
from functools import partial
from urllib.parse import parse_qsl, urlencode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from pipe import serve

SHA1, SHA256, SHA512 = hashes.SHA1(), hashes.SHA256(), hashes.SHA512()


def public_key(message):
    text = message["secret"]
    if text.startswith("whpk_"):
        return ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(text.removeprefix("whpk_")))
    return serialization.load_pem_public_key(text.encode())


def arguments(key, digest, pss):
    """What the algorithm takes beside the content."""
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey)):
        return ()
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        pad = padding.PSS(padding.MGF1(digest), digest.digest_size) if pss else padding.PKCS1v15()
        return (pad, digest)
    return (ec.ECDSA(digest),)


def sign(message, content, digest=SHA256, pss=False):
    key = serialization.load_pem_private_key(message["private"].encode(), None)
    return key.sign(content, *arguments(key, digest, pss))


def verifies(message, content, signature, digest=SHA256, pss=False):
    key = public_key(message)
    try:
        key.verify(signature, content, *arguments(key, digest, pss))
        return True
    except InvalidSignature:
        return False


def header(name, headers, message, content, write=base64.b64encode, read=base64.b64decode, **how):
    """A signature in a header field of its own."""
    if headers is None:
        return {name: write(sign(message, content, **how)).decode()}
    return verifies(message, content, read(headers[name.lower()]), **how)


def hexadecimal(value):
    return value.hex().encode()


def circle(message, headers):
    signed = body("X-Circle-Signature", message, headers)
    return with_time(signed, "X-Circle-Key-Id", message["kid"])


def body(name, message, headers, **how):
    """The body alone."""
    return header(name, headers, message, message["body"].encode(), **how)


def time_of(message, headers, name, make=str):
    return headers[name.lower()] if headers else make(message["time"])


def with_time(signed, name, time):
    return signed | {name: time} if isinstance(signed, dict) else signed


def rfc3339(seconds):
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat().replace("+00:00", "Z")


def discord(message, headers):
    name = "X-Signature-Timestamp"
    time = time_of(message, headers, name)
    if headers is None:
        content = (time + message["body"]).encode()
        return with_time(header("X-Signature-Ed25519", None, message, content, hexadecimal), name, time)
    from discord_interactions import verify_key

    raw = public_key(message).public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return verify_key(message["body"].encode(), headers["x-signature-ed25519"], time, raw.hex())


def sendgrid(message, headers):
    name, signature = "X-Twilio-Email-Event-Webhook-Timestamp", "X-Twilio-Email-Event-Webhook-Signature"
    time = time_of(message, headers, name)
    if headers is None:
        return with_time(header(signature, None, message, (time + message["body"]).encode()), name, time)
    from sendgrid.helpers.eventwebhook import EventWebhook

    webhook = EventWebhook()
    line = "".join(line for line in message["secret"].splitlines() if not line.startswith("-"))
    key = webhook.convert_public_key_to_ecdsa(line)
    return webhook.verify_signature(message["body"], headers[signature.lower()], time, key)


def telnyx(message, headers):
    name = "telnyx-timestamp"
    time = time_of(message, headers, name)
    content = f"{time}|{message['body']}".encode()
    return with_time(header("telnyx-signature-ed25519", headers, message, content), name, time)


def fal(message, headers):
    name = "X-Fal-Webhook-Timestamp"
    time, given = time_of(message, headers, name), message["headers"]
    digest = hashlib.sha256(message["body"].encode()).hexdigest()
    lines = [given["X-Fal-Webhook-Request-Id"], given["X-Fal-Webhook-User-Id"], time, digest]
    content = "\n".join(lines).encode()
    signed = header("X-Fal-Webhook-Signature", headers, message, content, hexadecimal, bytes.fromhex)
    return with_time(signed, name, time)


def standard_webhooks_v1a(message, headers):
    time = time_of(message, headers, "webhook-timestamp")
    identifier = headers["webhook-id"] if headers else message["id"]
    content = f"{identifier}.{time}.{message['body']}".encode()
    if headers is not None:
        version, signature = headers["webhook-signature"].split(",")
        return version == "v1a" and verifies(message, content, base64.b64decode(signature))
    signature = base64.b64encode(sign(message, content)).decode()
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return dict(zip(names, (identifier, time, f"v1a,{signature}")))


def bridge_xyz(message, headers):
    def digest(time):
        return hashlib.sha256(f"{time}.{message['body']}".encode()).digest()

    if headers is None:
        time = message["time"] * 1000
        signature = base64.b64encode(sign(message, digest(time))).decode()
        return {"X-Webhook-Signature": f"t={time},v0={signature}"}
    time, signature = headers["x-webhook-signature"].split(",", 1)
    signature = base64.b64decode(signature.removeprefix("v0="))
    return verifies(message, digest(time.removeprefix("t=")), signature)


def binance_pay(message, headers):
    name = "BinancePay-Timestamp"
    time = time_of(message, headers, name, lambda time: str(time * 1000))
    content = f"{time}\n{message['headers']['BinancePay-Nonce']}\n{message['body']}\n".encode()
    return with_time(header("BinancePay-Signature", headers, message, content), name, time)


def ebay(message, headers):
    content = message["body"].encode()
    if headers is None:
        signature = base64.b64encode(sign(message, content, digest=SHA1)).decode()
        envelope = {"alg": "ecdsa", "kid": message["kid"], "signature": signature, "digest": "SHA1"}
        return {"X-EBAY-SIGNATURE": base64.b64encode(json.dumps(envelope).encode()).decode()}
    envelope = json.loads(base64.b64decode(headers["x-ebay-signature"]))
    return verifies(message, content, base64.b64decode(envelope["signature"]), digest=SHA1)


def shipstation(message, headers):
    name = "x-shipengine-timestamp"
    time = time_of(message, headers, name, rfc3339)
    content = f"{time}.{message['body']}".encode()
    return with_time(header("x-shipengine-rsa-sha256-signature", headers, message, content), name, time)


def integrated_finance(message, headers):
    name = "X-Webhook-Request-Timestamp"
    time, given = time_of(message, headers, name, rfc3339), message["headers"]
    digest = base64.b64encode(hashlib.sha512(message["body"].encode()).digest()).decode()
    parts = [digest, given["X-Webhook-Event-Id"], given["X-Webhook-Event-Timestamp"], given["X-Webhook-Request-Id"]]
    content = "|".join(parts + [time, given["X-Webhook-Key-Version"]]).encode()
    return with_time(header("X-Webhook-Signature", headers, message, content), name, time)


def paddle_classic(message, headers):
    from phpserialize import dumps

    form = dict(parse_qsl(message["body"], keep_blank_values=True))
    signature = form.pop("p_signature", None)
    content = dumps(dict(sorted(form.items())))
    if headers is not None:
        return verifies(message, content, base64.b64decode(signature), digest=SHA1)
    form["p_signature"] = base64.b64encode(sign(message, content, digest=SHA1)).decode()
    message["body"] = urlencode(form)
    return {}


def travis_ci(message, headers):
    content = dict(parse_qsl(message["body"]))["payload"].encode()
    return header("Signature", headers, message, content, digest=SHA1)


SENDERS = {
    "binance_pay": binance_pay,
    "bridge_xyz": bridge_xyz,
    "chip_collect": partial(body, "X-Signature"),
    "circle": circle,
    "coinbase": partial(body, "CB-SIGNATURE"),
    "discord": discord,
    "ebay": ebay,
    "fal": fal,
    "fireblocks_legacy": partial(body, "Fireblocks-Signature", digest=SHA512),
    "integrated_finance": integrated_finance,
    "paddle_classic": paddle_classic,
    "postal": partial(body, "X-Postal-Signature", digest=SHA1),
    "sendgrid": sendgrid,
    "shipstation": shipstation,
    "standard_webhooks_v1a": standard_webhooks_v1a,
    "telnyx": telnyx,
    "travis_ci": travis_ci,
    "utila": partial(body, "x-utila-signature", digest=SHA512, pss=True),
    "videosdk": partial(body, "videosdk-signature"),
    "wise": partial(body, "X-Signature-SHA256"),
}


serve(SENDERS)
