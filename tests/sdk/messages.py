"""HTTP message signatures (RFC 9421) by a library of their own, and providers who sign under certificates.

Messages come and are answered as in `public_keys.py`. Amazon SNS, PayPal and Adobe publish no signer: each is written
here once more from its own page, over an independent implementation of RSA. Of them `private` holds, before the key,
for whom is signed.
"""

import base64
import json
import zlib
from datetime import datetime, timezone
from functools import partial
from types import SimpleNamespace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, algorithms
from http_message_signatures import HTTPMessageSignaturesException, HTTPSignatureKeyResolver

from pipe import serve


class Keys(HTTPSignatureKeyResolver):
    """The one key of a message, whatever it is called."""

    def __init__(self, private, public):
        self.private, self.public = private, public

    def resolve_private_key(self, key_id):
        return self.private

    def resolve_public_key(self, key_id):
        return self.public


def rfc9421(algorithm, covered, message, headers):
    if algorithm is algorithms.HMAC_SHA256:
        shared = base64.b64decode(message["secret"])
        keys = Keys(shared, shared)
    else:
        private = serialization.load_pem_private_key(message["private"].encode(), None)
        keys = Keys(private, serialization.load_pem_public_key(message["secret"].encode()))
    body = message["body"].encode()
    if headers is None:
        request = SimpleNamespace(method="POST", url=message["url"], headers=dict(message["headers"]))
        created = datetime.fromtimestamp(message["time"], tz=timezone.utc)
        HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=keys).sign(
            request, key_id="k1", created=created, nonce=message["id"], label="sig", covered_component_ids=covered, body=body
        )
        return request.headers
    request = SimpleNamespace(method="POST", url=message["url"], headers=headers)
    verifier = HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=keys)
    try:
        verifier.verify(request, require_components=covered, body=body)
        return True
    except HTTPMessageSignaturesException:
        return False


def parted(message):
    """For whom is signed, and the key."""
    pin, begin, key = message["private"].partition("-----BEGIN")
    return pin.strip(), serialization.load_pem_private_key((begin + key).encode(), None)


def sign(message, content, digest):
    return base64.b64encode(parted(message)[1].sign(content, padding.PKCS1v15(), digest)).decode()


def verifies(message, content, signature, digest):
    try:
        parted(message)[1].public_key().verify(base64.b64decode(signature), content, padding.PKCS1v15(), digest)
        return True
    except InvalidSignature:
        return False


def aws_sns(version, message, headers):
    digest = {"1": hashes.SHA1(), "2": hashes.SHA256()}[version]
    document = json.loads(message["body"])

    def content():
        names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
        return "".join(f"{name}\n{document[name]}\n" for name in names if name in document).encode()

    if headers is not None:
        return verifies(message, content(), document["Signature"], hashes.SHA256())
    document["TopicArn"], document["SignatureVersion"] = parted(message)[0], version
    document["SigningCertURL"] = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-sample.pem"
    document["MessageId"] += version
    document["Signature"] = sign(message, content(), digest)
    message["body"] = json.dumps(document)
    return {}


def paypal(message, headers):
    names = ("PAYPAL-TRANSMISSION-ID", "PAYPAL-TRANSMISSION-TIME", "PAYPAL-TRANSMISSION-SIG")
    time = datetime.fromtimestamp(message["time"], tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    given = [headers[name.lower()] for name in names] if headers else [message["id"], time, None]
    checksum = zlib.crc32(message["body"].encode())
    content = f"{given[0]}|{given[1]}|{parted(message)[0]}|{checksum}".encode()
    if headers is not None:
        return verifies(message, content, given[2], hashes.SHA256())
    given[2] = sign(message, content, hashes.SHA256())
    url = "https://api.paypal.com/v1/notifications/certs/sample"
    return dict(zip(names, given)) | {"PAYPAL-CERT-URL": url, "PAYPAL-AUTH-ALGO": "SHA256withRSA"}


def adobe_io_events(message, headers):
    name = "x-adobe-digital-signature-2"
    if headers is not None:
        return verifies(message, message["body"].encode(), headers["x-adobe-digital-signature-1"], hashes.SHA256())
    document = json.loads(message["body"])
    document["recipient_client_id"] = parted(message)[0]
    message["body"] = json.dumps(document)
    signature = sign(message, message["body"].encode(), hashes.SHA256())
    return {name: signature, "x-adobe-public-key2-path": "/prod/keys/pub-key-sample.pem"}


def adobe_commerce(message, headers):
    content, name = base64.b64encode(message["body"].encode()), "x-adobe-commerce-webhook-signature"
    if headers is not None:
        return verifies(message, content, headers[name], hashes.SHA256())
    return {name: sign(message, content, hashes.SHA256())}


COVERED = ("@method", "@target-uri", "content-digest")
SENDERS = {
    "adobe_commerce": adobe_commerce,
    "adobe_io_events": adobe_io_events,
    "aws_sns": partial(aws_sns, "1"),
    "paypal": paypal,
    "rfc9421_ecdsa": partial(rfc9421, algorithms.ECDSA_P256_SHA256, COVERED),
    "rfc9421_ed25519": partial(rfc9421, algorithms.ED25519, COVERED),
    "rfc9421_hmac": partial(rfc9421, algorithms.HMAC_SHA256, COVERED),
    "rfc9421_rsa": partial(rfc9421, algorithms.RSA_PSS_SHA512, COVERED),
    "woodpecker_extensions": partial(rfc9421, algorithms.ED25519, ("@request-target", "content-digest")),
}


serve(SENDERS)
