#!/bin/sh
# Makes a ledger of many records with orgo, then has strangers check all of it: git, ssh-keygen, securesystemslib,
# in-toto-attestation and a reader of the log that was written from the texts of RFC 6962 and C2SP.
#
#   python_ledger.sh WORKDIR ORGO
#
# WORKDIR keeps the Python environment (WORKDIR/venv) between calls; the repository in it is made anew each time.
# RECORDS says how many records there are to be, 260 unless told: one more tile than none.
# Exit codes: 0 all of it holds, 1 refused, 2 usage or a missing program.
set -eu
export LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY || true

refuse() {
    echo "python_ledger: $*" >&2
    exit 1
}

[ $# -eq 2 ] && [ -x "$2" ] || { echo "usage: python_ledger.sh WORKDIR ORGO" >&2; exit 2; }
for program in git ssh-keygen python3 openssl jq; do
    command -v "$program" >/dev/null || { echo "python_ledger: $program is not installed" >&2; exit 2; }
done
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
orgo=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
records=${RECORDS:-260}

# --- libraries that are not ours, pinned; the environment is kept as long as the pins are the same ---
python=$work/venv/bin/python
if ! cmp -s "$here/python/requirements.txt" "$work/venv/requirements.txt"; then
    rm -rf "$work/venv"
    python3 -m venv "$work/venv"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$here/python/requirements.txt"
    cp "$here/python/requirements.txt" "$work/venv/requirements.txt"
fi
export PYTHONDONTWRITEBYTECODE=1

# --- a ledger ---
rm -rf "$work/ledger"
mkdir "$work/ledger"
cd "$work/ledger"
git init -q -b main repo
run() { "$orgo" -C repo --home home "$@"; }
run init interop >/dev/null
rm -rf repo/pipelines
mkdir repo/pipelines
cat >repo/pipelines/tiny.kdl <<'KDL'
pipeline "tiny" {
    stage "copy" {
        files "input"
        run "cp" "input" "output"
        out "output"
    }
}
pipeline "failing" {
    stage "fail" {
        run "false"
    }
}
KDL
echo content >repo/input
git -C repo add -A
git -C repo -c user.name=Interop -c user.email=interop@example.invalid commit -q -m first
# A run that was forced repeats nothing, so each adds two records: its start, and how it ended.
run run failing --lane protected >/dev/null 2>&1 && refuse "the failing pipeline passed"
count=$(run record list -n 1 --json | jq .count)
while [ "$count" -lt "$records" ]; do
    run run tiny --force --quiet --lane protected >/dev/null
    count=$((count + 2))
done
[ "$(run record list -n 1 --json | jq .count)" -eq "$count" ] || refuse "not every run added its two records"
records=$count

# --- git and ssh-keygen ---
run key allowed-signers >allowed_signers
"$here/git_verify.sh" repo orgo/audit "$PWD/allowed_signers"
verify() { git -C repo -c gpg.format=ssh -c gpg.ssh.allowedSignersFile="$PWD/allowed_signers" "$@"; }
commits=$(verify rev-list --count orgo/audit)
shown=$(verify log --show-signature --format=%H orgo/audit 2>&1 | grep -c '^Good "git" signature for orgo@') || true
[ "$shown" -eq "$commits" ] || refuse "git log --show-signature says good of $shown of $commits commits"

# One commit by hand: what was signed is the commit without its signature.
git -C repo cat-file commit orgo/audit >commit
sed -n '/^gpgsig /,/-----END SSH SIGNATURE-----/{s/^gpgsig //;s/^ //;p;}' commit >commit.sig
sed '/^gpgsig /,/-----END SSH SIGNATURE-----/d' commit >commit.payload
principal=$(sed -n 's/^\(orgo@[^ ]*\) .*/\1/p' allowed_signers | head -n 1)
by_hand() {
    ssh-keygen -Y verify -f allowed_signers -I "$principal" -n git -s commit.sig "$@" <commit.payload >ssh.log 2>&1
}
by_hand || refuse "ssh-keygen does not accept a commit: $(cat ssh.log)"
run key show git | grep -o 'ssh-ed25519 [^ ]*' >revoked_keys
by_hand -r revoked_keys && refuse "ssh-keygen accepts a commit by a revoked key"
# ssh-keygen does not say why; that another key's revocation changes nothing shows that it was the key.
run key show runner | grep -o 'ssh-ed25519 [^ ]*' >revoked_other
by_hand -r revoked_other || refuse "ssh-keygen refuses a commit though another key is revoked: $(cat ssh.log)"
tr 'a-m' 'n-z' <commit.payload >commit.other
ssh-keygen -Y verify -f allowed_signers -I "$principal" -n git -s commit.sig <commit.other >/dev/null 2>&1 &&
    refuse "ssh-keygen accepts another commit"
echo "verified by ssh-keygen: one commit by hand, and refused once its key is revoked"

# --- the whole ledger, and that what is tampered with is refused ---
# whole REPO HOME RECORD: RECORD is proved to be in the log.
whole() {
    for duty in runner root log; do
        "$orgo" --home "$2" key show "$duty" --pem >"$duty.pem" || refuse "$2 has no $duty key"
    done
    "$orgo" -C "$1" --home "$2" prove "$3" --tlog "$PWD/proof" >/dev/null
    set -- "$1" "$3" runner:runner.pem root:root.pem log:log.pem
    repo=$1 record=$2
    shift 2
    "$python" "$here/python/read_ledger.py" "$repo" orgo/audit "$@" --proof proof --record "$record"
    "$python" "$here/python/selftest.py" "$repo" orgo/audit "$record" proof "$@"
}

# --- what is handed out ---
# handed_out REPO HOME RECORD FORM [ARGUMENTS]
handed_out() {
    "$orgo" --home "$2" key show runner --pem >runner.pem
    repo=$1 home=$2 record=$3 form=$4
    shift 4
    "$orgo" -C "$repo" --home "$home" record export "$record" --as "$form" "$@" --to export >/dev/null
    "$python" "$here/python/check_export.py" "$form" export runner.pem
    [ "$form" = bundle ] || "$here/dsse_openssl.sh" export >/dev/null
    rm -r export
}
latest=$((records - 1))
for form in dsse slsa bundle; do handed_out repo home "$latest" "$form"; done
run record export 2 --as slsa >/dev/null 2>failed.log && refuse "provenance of a run that failed"
grep -q OUTPUT_WITHOUT_PASS failed.log || refuse "no provenance, but for another reason: $(cat failed.log)"

# The demo has gates: one that refused, and one that passed before two stages.
"$orgo" demo demo >/dev/null 2>&1 || refuse "the demo does not run"
for form in dsse slsa bundle; do handed_out demo/repo demo/home latest "$form"; done
for stage in canon pack; do handed_out demo/repo demo/home latest vsa --stage "$stage"; done

whole repo home "$latest"
whole demo/repo demo/home 2
