#!/usr/bin/env python3
"""Shows that read_ledger.py refuses a ledger in which one byte of one file is another, whichever kind of file it is.

    selftest.py REPO BRANCH RECORD PROOF DUTY:FILE...

REPO is a ledger that read_ledger.py accepts, with PROOF for RECORD. Everything happens in a clone of it. Exit codes: 0 every
change was refused for a reason of its own, 1 one was not, 2 usage.
"""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WHO = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in
       (("NAME", "selftest"), ("EMAIL", "selftest@example.invalid"), ("DATE", "1767225600 +0000"))}


class Clone:
    """A bare clone whose ledger can be given another file."""

    def __init__(self, repo, branch, folder):
        self.path, self.branch = os.path.join(folder, "clone.git"), branch
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        index = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
        self.env = clean | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull} | WHO | index
        subprocess.run(["git", "clone", "-q", "--bare", repo, self.path], check=True, env=self.env)
        self.tip = self.git("rev-parse", f"refs/heads/{branch}").strip().decode()

    def git(self, *arguments, data=None):
        command = ["git", "-C", self.path, *arguments]
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True, env=self.env).stdout

    def paths(self):
        return self.git("ls-tree", "-r", "-z", "--name-only", self.tip).decode().split("\0")[:-1]

    def read(self, path):
        return self.git("cat-file", "blob", f"{self.tip}:{path}")

    def put(self, changes):
        """Moves the branch to a commit on its tip with other files; without bytes a file is removed."""
        self.git("read-tree", self.tip)
        lines = b""
        for path, data in changes.items():
            if data is None:
                lines += f"0 {'0' * 40}\t{path}\n".encode()
            else:
                blob = self.git("hash-object", "-w", "--stdin", data=data).strip().decode()
                lines += f"100644 {blob}\t{path}\n".encode()
        self.git("update-index", "--index-info", data=lines)
        tree = self.git("write-tree").strip().decode()
        commit = self.git("commit-tree", tree, "-p", self.tip, "-m", "changed").strip().decode()
        self.git("update-ref", f"refs/heads/{self.branch}", commit)


def flips(data):
    """The bytes with one bit turned: in the first, a middle and the last byte."""
    for at in sorted({0, len(data) // 2, len(data) - 1}):
        yield at, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def main():
    if len(sys.argv) < 6:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    repo, branch, record, proof = sys.argv[1:5]
    keys, failed, count = sys.argv[5:], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        clone = Clone(repo, branch, folder)

        def read(proof=proof, keys=keys, record=record):
            command = [sys.executable, os.path.join(HERE, "read_ledger.py"), clone.path, branch, *keys]
            return subprocess.run([*command, "--proof", proof, "--record", record], capture_output=True, text=True)

        def expect(name, done, accepted=False):
            nonlocal failed, count
            count += 1
            # A refusal is a sentence and exit code 1; a crash is neither.
            sound = done.returncode == 0 if accepted else (
                done.returncode == 1 and done.stderr.startswith("read_ledger: ") and "Traceback" not in done.stderr)
            if not sound:
                failed += 1
                print(f"FAIL {name}: exit code {done.returncode}\n{done.stdout}{done.stderr}", file=sys.stderr)

        paths = clone.paths()
        some = {
            "a trust record": next(p for p in paths if p.endswith(".trust.json")),
            "its envelope": next(p for p in paths if p.endswith(".trust.dsse")),
            "a build record": [p for p in paths if p.startswith("records/") and p.endswith(".build.json")][-1],
            "the envelope of one": [p for p in paths if p.startswith("records/") and p.endswith(".build.dsse")][-1],
            "the checkpoint": "log/checkpoint",
            "the edge": "log/edge",
        }
        tiles = [p for p in paths if p.startswith("log/tile/")]
        if tiles:
            some["a tile"] = tiles[0]
        evidence = [p for p in paths if p.startswith("evidence/")]
        if evidence:
            some["evidence"] = evidence[0]

        clone.put({})
        expect("a commit that changes nothing", read(), accepted=True)
        for name, path in some.items():
            data = clone.read(path)
            for at, other in flips(data):
                clone.put({path: other})
                expect(f"{name}, byte {at} of {path}", read())
        for name, changes in {
            "no log": {p: None for p in paths if p.startswith("log/")},
            "no checkpoint": {"log/checkpoint": None},
            "a tile too many": {"log/tile/0/x001/000": b"\0" * 8192},
            "a record dropped": {p: None for p in (some["a build record"], some["the envelope of one"])},
            "an envelope dropped": {some["the envelope of one"]: None},
        }.items():
            clone.put(changes)
            expect(name, read())
        if tiles:
            clone.put({tiles[0]: None})
            expect("a tile dropped", read())

        clone.put({})
        with open(proof, "rb") as file:
            data = file.read()
        other_proof = os.path.join(folder, "proof")
        places = list(flips(data)) + [(i, data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]) for i in (25, 40, 60)]
        for at, other in places:
            with open(other_proof, "wb") as file:
                file.write(other)
            expect(f"the proof, byte {at}", read(proof=other_proof))
        expect("a proof for another record", read(record="0"))
        swapped = [k.replace("runner:", "x:").replace("log:", "runner:").replace("x:", "log:") for k in keys]
        expect("keys with another duty", read(keys=swapped))
        expect("the ledger again", read(), accepted=True)
    if failed:
        sys.exit(1)
    print(f"read_ledger.py: {count} cases hold")


if __name__ == "__main__":
    main()
