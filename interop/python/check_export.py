#!/usr/bin/env python3
"""Checks what `orgo record export --to DIR` wrote, with securesystemslib and in-toto's own message classes.

    check_export.py FORM DIR KEY

FORM is `dsse`, `slsa`, `vsa` or `bundle`; KEY is the public key that is expected, from a place that you trust.
Exit codes: 0 all of it holds, 1 refused, 2 usage.
"""

import copy
import os
import re
import sys

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor

from stock import Refused, load_key, need, strict_json, verify_envelope, verify_statement

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATES = {
    "slsa": ("https://slsa.dev/provenance/v1", provenance_pb2.Provenance),
    "vsa": ("https://slsa.dev/verification_summary/v1", vsa_pb2.VerificationSummary),
}


def open_bundle(bundle, key):
    need(set(bundle) == {"dsseEnvelope", "mediaType", "verificationMaterial"}, "fields of the bundle")
    need(bundle["mediaType"] == BUNDLE, "the media type of the bundle")
    material = bundle["verificationMaterial"]
    need(material["publicKey"] == {"hint": key.keyid}, "the bundle's hint is not the key's id")
    need(len(bundle["dsseEnvelope"]["signatures"]) == 1, "a bundle has exactly one signature")
    return bundle["dsseEnvelope"]


def check_predicate(form, statement):
    kind, message = PREDICATES[form]
    need(statement["predicateType"] == kind, f"the predicate is of type {statement['predicateType']}")
    predicate = copy.deepcopy(statement["predicate"])
    if form == "vsa":
        # in-toto's message differs from SLSA 1.1 in two fields: it does not know the first, and reads one text where
        # SLSA has always had a list of the second. Everything else must be known to it.
        predicate["verifier"].pop("version", None)
        levels = predicate.pop("verifiedLevels")
        need(levels and all(isinstance(level, str) for level in levels), "the verified levels are not texts")
    try:
        parsed = json_format.ParseDict(predicate, message())
    except json_format.ParseError as error:
        raise Refused(f"in-toto's message does not read the predicate: {error}") from error
    again = json_format.MessageToDict(parsed)
    if form == "slsa":
        definition = parsed.build_definition
        need(definition.build_type and len(definition.external_parameters), "a required field is empty")
        need(parsed.run_details.builder.id, "there is no builder")
        for descriptor in [*definition.resolved_dependencies, *parsed.run_details.byproducts]:
            ResourceDescriptor.copy_from_pb(descriptor).validate()
        need(definition.external_parameters["pipeline"], "there is no pipeline")
    else:
        required = ("verifier", "timeVerified", "resourceUri", "policy", "inputAttestations", "verificationResult")
        need(all(again.get(name) for name in required), "a required field is empty")
    for subject in statement["subject"]:
        need(re.fullmatch("[0-9a-f]{64}", subject["digest"].get("sha256", "")), "a subject has no SHA-256")


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("dsse", "slsa", "vsa", "bundle"):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    form, folder, key = sys.argv[1], sys.argv[2], load_key(sys.argv[3])
    need(load_key(os.path.join(folder, "key.pem")).keyid == key.keyid, "key.pem is another key")
    with open(os.path.join(folder, "bundle.json" if form == "bundle" else "envelope.json"), "rb") as file:
        whole = strict_json(file.read(), folder)
    envelope = open_bundle(whole, key) if form == "bundle" else whole
    payload, _ = verify_envelope(envelope, [key], folder)
    statement = verify_statement(payload, folder)
    if form in PREDICATES:
        check_predicate(form, statement)
    subjects = len(statement["subject"])
    print(f"verified by securesystemslib and in-toto-attestation: {form}, {statement['predicateType']}, {subjects} subjects")


if __name__ == "__main__":
    try:
        main()
    except Refused as refusal:
        print(f"check_export: {refusal}", file=sys.stderr)
        sys.exit(1)
