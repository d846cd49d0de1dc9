#!/bin/sh
# Verifies an audit branch with git and ssh-keygen, and with nothing of ours.
#
#   git_verify.sh REPO BRANCH ALLOWED_SIGNERS
#
# Holds: every object is sound (fsck --strict), the history is complete and linear (one root, one parent each), and every
# commit carries a signature by a key in ALLOWED_SIGNERS. That file must come from a place you trust, not from REPO.
# The check runs in a copy, so that nothing but REPO's objects has a say.
# Exit codes: 0 verified, 1 refused, 2 usage or a missing program.
set -eu
export LC_ALL=C

refuse() {
    echo "git_verify: $*" >&2
    exit 1
}

[ $# -eq 3 ] || { echo "usage: git_verify.sh REPO BRANCH ALLOWED_SIGNERS" >&2; exit 2; }
for program in git ssh-keygen; do
    command -v "$program" >/dev/null || { echo "git_verify: $program is not installed" >&2; exit 2; }
done
[ -d "$1" ] || { echo "git_verify: $1 is not a directory" >&2; exit 2; }
[ -r "$3" ] || { echo "git_verify: $3 cannot be read" >&2; exit 2; }
repo=$1
branch=$2
signers=$(cd "$(dirname "$3")" && pwd)/$(basename "$3")

export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_NO_REPLACE_OBJECTS=1
unset GIT_DIR GIT_WORK_TREE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_GRAFT_FILE || true

# Only objects are taken from REPO: in a new repository none of its configuration, replace refs or grafts has a say.
[ "$(git -C "$repo" rev-parse --is-shallow-repository)" = false ] || refuse "the clone is shallow; fetch the whole history"
tip=$(git -C "$repo" rev-parse --verify --quiet "refs/heads/$branch^{commit}") && ref="refs/heads/$branch" ||
    { tip=$(git -C "$repo" rev-parse --verify --quiet "refs/remotes/origin/$branch^{commit}") &&
        ref="refs/remotes/origin/$branch"; } || refuse "no branch $branch"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git init -q --bare "$work/copy"
run() {
    git -C "$work/copy" -c gpg.format=ssh -c gpg.ssh.program=ssh-keygen -c gpg.ssh.allowedSignersFile="$signers" \
        -c gpg.minTrustLevel=fully "$@"
}
run fetch -q --no-tags "file://$(cd "$repo" && pwd)" "$ref:refs/heads/audit" || refuse "the objects cannot be read"
[ "$(run rev-parse refs/heads/audit)" = "$tip" ] || refuse "the branch moved while it was read"
run fsck --strict --full --no-dangling --no-progress >&2 || refuse "git fsck found damage"

[ "$(run rev-list --count --min-parents=2 "$tip")" -eq 0 ] || refuse "the history has a merge"
[ "$(run rev-list --count --max-parents=0 "$tip")" -eq 1 ] || refuse "the history does not have exactly one root"

count=0
for commit in $(run rev-list --reverse "$tip"); do
    run verify-commit "$commit" 2>/dev/null || refuse "commit $commit is not signed by an allowed signer"
    # verify-commit and this line must agree: G is a good signature by a key that the file lists.
    [ "$(run log -1 --format='%G?' "$commit")" = G ] || refuse "commit $commit: the signature is not good"
    count=$((count + 1))
done
[ "$count" -gt 0 ] || refuse "no commit on $branch"
echo "verified by git and ssh-keygen: $count commits on $branch, tip $tip"
