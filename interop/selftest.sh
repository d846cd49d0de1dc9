#!/bin/sh
# Shows that the two scripts beside this one accept what is right and refuse what is not, with keys made here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0 count=0

accepts() {
    name=$1 count=$((count + 1))
    shift
    "$@" >log 2>&1 || { echo "FAIL $name: refused"; cat log; failed=1; }
}
refuses() {
    name=$1 words=$2 count=$((count + 1))
    shift 2
    if "$@" >log 2>&1; then
        echo "FAIL $name: accepted"
        failed=1
    elif ! grep -q "$words" log; then
        echo "FAIL $name: refused for another reason"
        cat log
        failed=1
    fi
}

# --- DSSE ---
openssl genpkey -algorithm ed25519 -out key 2>/dev/null
mkdir good
openssl pkey -in key -pubout -out good/key.pem
type=application/vnd.in-toto+json
payload='{"_type":"https://in-toto.io/Statement/v1"}'
printf 'DSSEv1 %d %s %d %s' "${#type}" "$type" "${#payload}" "$payload" >good/pae
openssl pkeyutl -sign -inkey key -rawin -in good/pae -out good/signature
jq -n --arg t "$type" --arg p "$(printf %s "$payload" | openssl base64 -A)" \
    --arg s "$(openssl base64 -A -in good/signature)" \
    '{payload: $p, payloadType: $t, signatures: [{keyid: "", sig: $s}]}' >good/envelope.json
accepts "a good envelope" "$here/dsse_openssl.sh" good

variant() { rm -rf bad && cp -r good bad; }
variant && jq '.payload = ("{}" | @base64)' good/envelope.json >bad/envelope.json
refuses "another payload" "pae is not" "$here/dsse_openssl.sh" bad
variant && jq '.payloadType = "text/plain"' good/envelope.json >bad/envelope.json
refuses "another type" "pae is not" "$here/dsse_openssl.sh" bad
variant && jq '.signatures = []' good/envelope.json >bad/envelope.json
refuses "no signature" "at least one signature" "$here/dsse_openssl.sh" bad
variant && head -c 64 /dev/zero >bad/signature
refuses "a foreign signature" "not in the envelope" "$here/dsse_openssl.sh" bad
variant && openssl genpkey -algorithm ed25519 2>/dev/null | openssl pkey -pubout -out bad/key.pem
refuses "another key" "does not accept" "$here/dsse_openssl.sh" bad

# --- git ---
export HOME="$work" GIT_CONFIG_NOSYSTEM=1
ssh-keygen -q -t ed25519 -N '' -C runner -f runner
ssh-keygen -q -t ed25519 -N '' -C other -f other
echo "runner@example $(cut -d' ' -f1,2 runner.pub)" >signers
sign() {
    key=$1
    shift
    git -C repo -c user.name=runner -c user.email=runner@example -c gpg.format=ssh -c user.signingKey="$work/$key" "$@"
}
git init -q -b audit repo
sign runner commit -q -S --allow-empty -m one
sign runner commit -q -S --allow-empty -m two
accepts "a signed, linear branch" "$here/git_verify.sh" repo audit signers
refuses "a branch that is not there" "no branch" "$here/git_verify.sh" repo elsewhere signers
git -C repo branch -q keep
sign other commit -q -S --allow-empty -m three
refuses "a commit by another key" "allowed signer" "$here/git_verify.sh" repo audit signers
echo '#!/bin/sh' >yes && chmod +x yes
git -C repo config gpg.ssh.program "$work/yes"
refuses "a program named by the repository" "allowed signer" "$here/git_verify.sh" repo audit signers
git -C repo config --unset gpg.ssh.program
git -C repo reset -q --hard keep
sign runner commit -q --no-gpg-sign --allow-empty -m unsigned
refuses "an unsigned commit" "allowed signer" "$here/git_verify.sh" repo audit signers
git -C repo reset -q --hard keep
git -C repo checkout -q -b side HEAD~1
sign runner commit -q -S --allow-empty -m aside
git -C repo checkout -q audit
sign runner merge -q -S --no-ff -m merged side
refuses "a merge" "has a merge" "$here/git_verify.sh" repo audit signers
git -C repo reset -q --hard keep
git -C repo replace keep HEAD~1
accepts "a replace ref has no say" "$here/git_verify.sh" repo audit signers
git -C repo replace -d "$(git -C repo --no-replace-objects rev-parse keep)" >/dev/null
git clone -q --depth 1 "file://$work/repo" shallow
refuses "a shallow clone" "shallow" "$here/git_verify.sh" shallow audit signers
accepts "the branch again" "$here/git_verify.sh" repo audit signers

cp -r repo damaged
old=$(git -C repo rev-parse keep~1)
rm -f "damaged/.git/objects/$(echo "$old" | cut -c1-2)/$(echo "$old" | cut -c3-)"
refuses "a missing commit" "cannot be read" "$here/git_verify.sh" damaged audit signers

[ "$failed" -eq 0 ] || exit 1
echo "interop scripts: $count cases hold"
