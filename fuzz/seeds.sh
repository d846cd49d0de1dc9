#!/bin/sh
# Fills fuzz/corpus/ with good bytes: the repository's examples, and the records of a demo ledger if `orgo` is there.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
corpus=$root/fuzz/corpus
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in envelope statement trust json checkpoint proof tile kdl yaml secret; do mkdir -p "$corpus/$target"; done

# put TARGET FILE: stores a file under its digest.
put() { cp "$2" "$corpus/$1/$(sha256sum "$2" | cut -c1-40)"; }

find "$root/examples" "$root/mandates" "$root/blueprints" "$root/pipelines" -name '*.kdl' |
    while read -r file; do put kdl "$file"; put secret "$file"; done
find "$root/examples" "$root/tests/bad" -name '*.yaml' | while read -r file; do put yaml "$file"; done
find "$root/spec/vectors" "$root/schemas" -name '*.json' -size -64k | while read -r file; do put json "$file"; done
printf 'tile/0/000' > "$work/tile" && put tile "$work/tile"
printf 'tile/1/x001/x234/067.p/7' > "$work/tile" && put tile "$work/tile"
printf 'orgo.dev/log/acme\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n' > "$work/c" && put checkpoint "$work/c"

orgo=${ORGO:-$(command -v orgo || true)}
[ -n "$orgo" ] || { echo "no orgo: seeds of records are left out (set ORGO)"; exit 0; }
"$orgo" --home "$work/home" demo "$work/demo" > /dev/null
for branch in orgo/audit orgo/local; do
    git -C "$work/demo/repo" ls-tree -r --name-only "refs/heads/$branch" 2> /dev/null | while read -r path; do
        git -C "$work/demo/repo" cat-file blob "refs/heads/$branch:$path" > "$work/blob"
        case $path in
            *.trust.json) put trust "$work/blob" ;;
            records/*.json) put statement "$work/blob" ;;
            *.dsse) put envelope "$work/blob" ;;
            evidence/*) put json "$work/blob"; put statement "$work/blob" ;;
        esac
    done
done
