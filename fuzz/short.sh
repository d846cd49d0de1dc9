#!/bin/sh
# Runs every fuzz target for a number of seconds (180 unless told) and fails on the first finding, whose bytes stay in
# fuzz/artifacts/. Wants cargo-fuzz; stable is enough. Usage: fuzz/short.sh [SECONDS [TARGET…]]
set -eu
cd "$(dirname "$0")"
seconds=${1:-180}
[ $# -eq 0 ] || shift
[ $# -ne 0 ] || set -- envelope statement trust json checkpoint proof tile kdl yaml secret
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in "$@"; do
    mkdir -p "corpus/$target"
    # -s none: the sanitizers want nightly; panics, failed checks, time and memory are noticed without.
    if ! cargo fuzz run -s none "$target" -- "-max_total_time=$seconds" -rss_limit_mb=2048 -timeout=20 \
        -print_final_stats=1 > "$log" 2>&1; then
        tail -n 60 "$log"
        echo "$target: a finding, or no build"
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
    echo "$target: $seconds s, $runs executions, $edges"
done
