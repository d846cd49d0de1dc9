#!/bin/sh
# Verifies an exported DSSE envelope with openssl, and with nothing of ours.
#
#   dsse_openssl.sh DIR
#
# DIR holds what `orgo record export` writes:
#   envelope.json   the DSSE envelope: payload, payloadType, signatures
#   pae             the bytes that were signed (DSSE pre-authentication encoding)
#   signature       the 64 raw bytes of one Ed25519 signature
#   key.pem         the public key; compare it with one you trust, this script cannot know
#
# `pae` and `signature` are not taken on trust: both are made again from the envelope (jq and openssl's base64) and
# compared. Exit codes: 0 verified, 1 refused, 2 usage or a missing program.
set -eu
export LC_ALL=C

refuse() {
    echo "dsse_openssl: $*" >&2
    exit 1
}

[ $# -eq 1 ] && [ -d "$1" ] || { echo "usage: dsse_openssl.sh DIR" >&2; exit 2; }
for program in openssl jq cmp wc mktemp; do
    command -v "$program" >/dev/null || { echo "dsse_openssl: $program is not installed" >&2; exit 2; }
done
dir=$1
for file in envelope.json pae signature key.pem; do
    [ -f "$dir/$file" ] || refuse "$dir/$file is missing"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

jq -e '(.payload | type == "string") and (.payloadType | type == "string")
    and (.signatures | type == "array" and length > 0)' "$dir/envelope.json" >/dev/null ||
    refuse "envelope.json is not a DSSE envelope with at least one signature"

# PAE = "DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload, lengths in bytes and in decimal.
jq -j .payloadType "$dir/envelope.json" >"$work/type"
jq -j .payload "$dir/envelope.json" | openssl base64 -d -A >"$work/payload"
jq -j .payload "$dir/envelope.json" >"$work/payload.given"
openssl base64 -A -in "$work/payload" >"$work/payload.again"
cmp -s "$work/payload.given" "$work/payload.again" || refuse "the payload is not strict base64"
{
    printf 'DSSEv1 %d ' "$(wc -c <"$work/type")"
    cat "$work/type"
    printf ' %d ' "$(wc -c <"$work/payload")"
    cat "$work/payload"
} >"$work/pae"
cmp -s "$work/pae" "$dir/pae" || refuse "pae is not the encoding of the envelope's payload and type"

[ "$(wc -c <"$dir/signature")" -eq 64 ] || refuse "signature is not 64 bytes"
jq -e --arg sig "$(openssl base64 -A -in "$dir/signature")" 'any(.signatures[]; .sig == $sig)' \
    "$dir/envelope.json" >/dev/null || refuse "signature is not in the envelope"

openssl pkey -pubin -in "$dir/key.pem" -noout -text 2>/dev/null | grep -qi '^ED25519 Public-Key' ||
    refuse "key.pem is not an Ed25519 public key"
openssl pkeyutl -verify -pubin -inkey "$dir/key.pem" -rawin -in "$work/pae" -sigfile "$dir/signature" >/dev/null 2>&1 ||
    refuse "openssl does not accept the signature"

keyid=$(openssl pkey -pubin -in "$dir/key.pem" -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1)
echo "verified by openssl: $(cat "$work/type"), $(wc -c <"$work/payload") bytes, key (SHA-256 of its DER) $keyid"
