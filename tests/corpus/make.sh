#!/usr/bin/env bash
# Makes the corpus of this version: a ledger with a record of every kind, as a git bundle, and what it holds.
# Run it once for each released version; what it made is never changed afterwards.
#
#   tests/corpus/make.sh ORGO VERSION
set -euo pipefail
orgo=$(realpath "$1") version=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
repo=$work/repo home=$work/home
git=(git -C "$repo" -c user.name=corpus -c user.email=corpus@example.invalid -c commit.gpgsign=false)
run() { "$orgo" -C "$repo" --home "$home" --quiet "$@"; }
key() { run key show "$1" --json | python3 -c "import json,sys; print(json.load(sys.stdin)['$2'])"; }

cp -r "$here/../../examples/elements" "$repo"
mv "$repo/decisions" "$work/decisions"
git init -q -b main "$repo"
"${git[@]}" add -A && "${git[@]}" commit -qm "nothing decided"
run init
run run || [ $? -eq 1 ]                      # started, build: refused by its gate
cp -r "$work/decisions" "$repo/decisions"
"${git[@]}" add -A && "${git[@]}" commit -qm "decided"
run run                                      # started, build: passed
run key new git --name next
old=$(key git id)
run trust change --add git="$(key next public)"
run --key git="file:$home/keys/next.key" trust revoke "${old:0:16}" --reason retired
mv "$home/keys/next.key" "$home/keys/git.key"
run admin hold records --reason "the corpus shows a hold"
run admin release records --reason "and its release"
cat > "$repo/pipelines/slow.kdl" <<'KDL'
pipeline "slow" { stage "s" { run "sleep" "60"; tool "sleep" } }
KDL
"${git[@]}" add -A && "${git[@]}" commit -qm "slow"
"$orgo" -C "$repo" --home "$home" --quiet run slow & pid=$!   # killed below: it never ends
until "${git[@]}" log -1 --format=%s orgo/audit | grep -q "slow started"; do sleep 0.1; done
kill -9 $pid; wait $pid 2>/dev/null || true
printf 'pipeline "slow" { stage "s" { run "true" } }\n' > "$repo/pipelines/slow.kdl"
"${git[@]}" add -A && "${git[@]}" commit -qm "fast"
run run slow                                 # abandoned, started, build
run verify --full --json | python3 -c "
import json, sys
report = json.load(sys.stdin)
assert report['findings'] == [], report
kept = {name: report[name] for name in ('checkpoint', 'root', 'tenant')}
kept['records'] = report['counts']['records']
kept['gates'] = report['counts']['gates']
json.dump(kept, open('$here/$version.json', 'w'), indent=2, sort_keys=True)
open('$here/$version.json', 'a').write('\n')
"
"${git[@]}" bundle create -q "$here/$version.bundle" orgo/audit
ls -l "$here/$version.bundle"
