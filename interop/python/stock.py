"""What the scripts here share: keys, strict JSON, envelopes and statements, by libraries that are not ours."""

import base64
import copy
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signature, SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Refused(Exception):
    """Something is not what it claims to be."""


def need(holds, message):
    if not holds:
        raise Refused(message)


def load_key(path):
    """A public key: PEM, or a line as ssh-keygen writes it."""
    with open(path, "rb") as file:
        text = file.read()
    key = load_pem_public_key(text) if text.startswith(b"-----") else load_ssh_public_key(text.strip())
    need(isinstance(key, Ed25519PublicKey), f"{path} is not an Ed25519 key")
    return SSlibKey.from_crypto(key)


def verifies(key, signature, data):
    """Whether 64 bytes are the key's signature of the data."""
    try:
        key.verify_signature(Signature(key.keyid, signature.hex()), data)
    except Exception:
        return False
    return True


def unique(pairs):
    """No member of an object twice: Python's own reader keeps the last one silently."""
    members = dict(pairs)
    need(len(members) == len(pairs), "a JSON object has a member twice")
    return members


def strict_json(data, what):
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=unique)
    except (UnicodeDecodeError, ValueError) as error:
        raise Refused(f"{what} is not JSON: {error}") from error


def strict_base64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused(f"{what} is not base64") from error
    need(base64.b64encode(data).decode() == text, f"{what} is not canonical base64")
    return data


def verify_envelope(envelope, keys, what):
    """Verifies every signature of a DSSE envelope (a dict with its payload); returns payload and key ids."""
    need(set(envelope) == {"payload", "payloadType", "signatures"}, f"{what}: fields of the envelope")
    need(envelope["payloadType"] == PAYLOAD_TYPE, f"{what}: the payload type")
    signatures = envelope["signatures"]
    need(isinstance(signatures, list) and signatures, f"{what}: no signature")
    need(all(set(s) == {"keyid", "sig"} for s in signatures), f"{what}: fields of a signature")
    try:
        # `from_dict` changes what it is given.
        stock = Envelope.from_dict(copy.deepcopy(envelope))
    except Exception as error:
        raise Refused(f"{what}: {error}") from error
    need(len(stock.signatures) == len(signatures), f"{what}: a key signed twice")
    try:
        # As many as there are: not one may fail, be skipped, or be by a key that is not allowed.
        accepted = stock.verify(keys, len(signatures))
    except Exception as error:
        raise Refused(f"{what}: {error}") from error
    return stock.payload, set(accepted)


def verify_statement(payload, what):
    """Has in-toto's own classes parse and validate a Statement v1; returns it as a dict."""
    statement = strict_json(payload, what)
    message = statement_pb2.Statement()
    try:
        json_format.Parse(payload, message)
        Statement.copy_from_pb(message).validate()
    except Exception as error:
        raise Refused(f"{what}: {error}") from error
    return statement


def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()
