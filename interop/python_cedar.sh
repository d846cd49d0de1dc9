#!/bin/sh
# Has cedarpy decide what orgo decided about generated policies and facts.
#
#   python_cedar.sh WORKDIR ORGO
#
# WORKDIR keeps the Python environment (WORKDIR/cedar-venv) between calls. CASES says how many cases there are to be,
# 1000 unless told. Exit codes: 0 all of it holds, 1 refused, 2 usage or a missing program.
set -eu
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1

[ $# -eq 2 ] && [ -x "$2" ] || { echo "usage: python_cedar.sh WORKDIR ORGO" >&2; exit 2; }
command -v python3 >/dev/null || { echo "python_cedar: python3 is not installed" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)

python=$work/cedar-venv/bin/python
if ! cmp -s "$here/python/requirements-cedar.txt" "$work/cedar-venv/requirements.txt"; then
    rm -rf "$work/cedar-venv"
    python3 -m venv "$work/cedar-venv"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$here/python/requirements-cedar.txt"
    cp "$here/python/requirements-cedar.txt" "$work/cedar-venv/requirements.txt"
fi
"$2" dev policy-cases "$work/cases.jsonl" --count "${CASES:-1000}" >/dev/null
"$python" "$here/python/check_policies.py" "$work/cases.jsonl"
# A case that was tampered with is noticed: an answer turned round, and one that hides a policy that fails.
for other in 's/"ours":"deny"/"ours":"allow"/' 's/"ours":"error"/"ours":"allow"/' 's/"ours":"allow"/"ours":"deny"/'; do
    sed "$other" "$work/cases.jsonl" >"$work/other.jsonl"
    if "$python" "$here/python/check_policies.py" "$work/other.jsonl" >/dev/null 2>&1; then
        echo "python_cedar: $other is not noticed" >&2
        exit 1
    fi
done
