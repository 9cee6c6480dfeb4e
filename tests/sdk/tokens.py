"""Senders of signed tokens: PyJWT and joserfc as each of them, and the providers' own verifiers.

Messages come and are answered as in `public_keys.py`. Each sender is written here once more from its own page, over
independent implementations of the tokens: PyJWT for those that carry claims, joserfc for those whose payload stands in
the message. `atlassian_connect`, `messagebird` and `upstash_qstash` verify with the provider's own library, and the first is
signed with it, too.
"""

import base64
import hashlib
import json
import uuid
from functools import partial
from urllib.parse import urlsplit

import jwt
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from pipe import serve


def sha256(message):
    return hashlib.sha256(message["body"].encode())


def hexadecimal(message):
    return sha256(message).hexdigest()


def base64_text(message):
    return base64.b64encode(sha256(message).digest()).decode()


def base64url_text(message):
    return base64.urlsafe_b64encode(sha256(message).digest()).decode()


def url(message):
    return message["url"]


def hashed_url(message):
    return hashlib.sha256(url(message).encode()).hexdigest()


def make(message, claims, algorithm, secret=None):
    """A token of our own making."""
    key = secret or message["private"]
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": message["kid"]})


def read(message, token, algorithm, secret=None, **options):
    """Its claims, or nothing where it is somebody else's."""
    try:
        return jwt.decode(token, secret or message["secret"], algorithms=[algorithm], **options)
    except jwt.InvalidTokenError:
        return None


def claims_of(message, headers, *, name, algorithm, bound, prefix="", lifetime=300, constant=None, secret=None):
    """A token in a header field whose claims bind the message."""
    key = secret(message) if secret else None
    constant = constant(message) if callable(constant) else constant or {}
    if headers is None:
        time = {"iat": message["time"]}
        if lifetime:
            time |= {"nbf": message["time"], "exp": message["time"] + lifetime}
        claims = time | constant | {"jti": str(uuid.uuid4())} | {claim: of(message) for claim, of in bound.items()}
        return {name: prefix + make(message, claims, algorithm, key)}
    claims = read(message, headers[name.lower()].removeprefix(prefix), algorithm, key, leeway=5)
    return claims is not None and all(claims.get(claim) == of(message) for claim, of in bound.items())


def whole_body(message, headers, *, algorithm):
    """The body is the token."""
    if headers is None:
        message["body"] = make(message, json.loads(message["body"]), algorithm)
        return {}
    return read(message, message["body"], algorithm) is not None


def detached(message, headers, *, name, algorithm, encoded, protected=None, payload=None):
    """A token whose payload stands in the message."""
    content = payload(message) if payload else message["body"].encode()
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    if headers is None:
        header = {"alg": algorithm} | (protected(message) if protected else {})
        if not encoded:
            header |= {"b64": False, "crit": ["b64"]}
        key = import_key(message["private"], key_type(algorithm))
        token = jws.serialize_compact(header, content, key, registry=registry)
        return {name: jws.detach_content(token) if encoded else token}
    key = import_key(message["secret"], key_type(algorithm))
    try:
        jws.deserialize_compact(headers[name.lower()], key, payload=content, registry=registry)
        return True
    except JoseError:
        return False


def key_type(algorithm):
    return "EC" if algorithm.startswith("ES") else "RSA"


def truelayer_payload(message):
    return f"POST {urlsplit(message['url']).path}\n{message['body']}".encode()


def truelayer_header(message):
    return {"kid": "a-key", "tl_version": "2", "tl_headers": ""}


def atlassian_connect(message, headers):
    import atlassian_jwt

    client_key, shared_secret = message["secret"].split(":", 1)
    parts = urlsplit(message["url"])
    target = f"{parts.path}?{parts.query}"
    if headers is None:
        return {"Authorization": "JWT " + atlassian_jwt.encode_token("POST", target, client_key, shared_secret)}

    class App(atlassian_jwt.Authenticator):
        def get_shared_secret(self, known):
            return shared_secret if known == client_key else ""

    try:
        App().authenticate("POST", target, headers)
        return True
    except jwt.InvalidTokenError:
        return False


def messagebird(message, headers):
    from messagebird.error import ValidationError
    from messagebird.request_validator import RequestValidator

    if headers is None:
        bound = {"url_hash": hashed_url, "payload_hash": hexadecimal}
        constant = {"iss": "MessageBird"}
        return claims_of(message, None, name="MessageBird-Signature-JWT", algorithm="HS256", bound=bound, constant=constant)
    token = headers["messagebird-signature-jwt"]
    try:
        RequestValidator(message["secret"]).validate_signature(token, url(message), message["body"].encode())
        return True
    except ValidationError:
        return False


def upstash_qstash(message, headers):
    from qstash import Receiver
    from qstash.errors import SignatureError

    if headers is None:
        constant = {"iss": "Upstash"}
        bound = {"sub": url, "body": base64url_text}
        return claims_of(message, None, name="Upstash-Signature", algorithm="HS256", bound=bound, constant=constant)
    receiver = Receiver(current_signing_key=message["secret"], next_signing_key="sig_next")
    try:
        receiver.verify(signature=headers["upstash-signature"], body=message["body"], url=url(message))
        return True
    except SignatureError:
        return False


def part(index, message):
    return message["secret"].split(":")[index]


SENDERS = {
    "atlassian_connect": atlassian_connect,
    "constant_contact": partial(
        detached,
        name="X-CTCT-WEBHOOK-SIG",
        algorithm="RS256",
        encoded=False,
        protected=lambda message: {"ts": message["time"]},
    ),
    "dialpad": partial(whole_body, algorithm="HS256"),
    "fireblocks": partial(detached, name="Fireblocks-Webhook-Signature", algorithm="RS512", encoded=True),
    "fusionauth": partial(
        claims_of,
        name="X-FusionAuth-Signature-JWT",
        algorithm="RS256",
        bound={"request_body_sha256": base64_text},
        lifetime=0,
    ),
    "fusionauth_hmac": partial(
        claims_of,
        name="X-FusionAuth-Signature-JWT",
        algorithm="HS256",
        bound={"request_body_sha256": base64_text},
        lifetime=0,
    ),
    "gong": partial(
        claims_of,
        name="Authorization",
        algorithm="RS256",
        bound={"webhook_url": url, "body_sha256": hexadecimal},
        prefix="Bearer ",
    ),
    "kinde": partial(whole_body, algorithm="RS256"),
    "livekit": partial(
        claims_of,
        name="Authorization",
        algorithm="HS256",
        bound={"sha256": base64_text},
        constant=lambda message: {"iss": part(0, message)},
        secret=partial(part, 1),
    ),
    "messagebird": messagebird,
    "netlify": partial(
        claims_of,
        name="X-Webhook-Signature",
        algorithm="HS256",
        bound={"sha256": hexadecimal},
        lifetime=0,
        constant={"iss": "netlify"},
    ),
    "plaid": partial(
        claims_of,
        name="Plaid-Verification",
        algorithm="ES256",
        bound={"request_body_sha256": hexadecimal},
        lifetime=0,
    ),
    "saleor": partial(detached, name="Saleor-Signature", algorithm="RS256", encoded=False),
    "truelayer": partial(
        detached,
        name="Tl-Signature",
        algorithm="ES512",
        encoded=True,
        protected=truelayer_header,
        payload=truelayer_payload,
    ),
    "upstash_qstash": upstash_qstash,
    "vonage": partial(
        claims_of,
        name="Authorization",
        algorithm="HS256",
        bound={"payload_hash": hexadecimal},
        prefix="Bearer ",
        lifetime=0,
        constant={"iss": "Vonage"},
    ),
    "wix": partial(whole_body, algorithm="RS256"),
}


serve(SENDERS)
