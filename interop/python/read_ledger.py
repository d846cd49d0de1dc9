#!/usr/bin/env python3
"""Reads a whole ledger with git, securesystemslib and in-toto-attestation, and with nothing of ours.

    read_ledger.py REPO BRANCH DUTY:FILE... [--proof FILE --record N]

DUTY is `runner`, `root` or `log`, FILE a public key (PEM, or as ssh-keygen writes it). Keys come from a place that you
trust, not from REPO. Every record must be signed by a runner, one that changes the trust also by a root, and by nobody else;
the checkpoint by a log key. The signatures of commits are for `git verify-commit`; everything else is checked here:

* the history is linear, has one root, and every file has mode 100644;
* records are numbered from 0 without gaps; each verifies and is an in-toto Statement v1;
* evidence hashes to its name;
* leaves, Merkle root, edge and every full tile, computed again, are those of `log/`, and the checkpoint verifies;
* with --proof: the file proves that record N is in the log.

Exit codes: 0 all of it holds, 1 refused, 2 usage.
"""

import argparse
import base64
import json
import os
import re
import subprocess
import sys

import rfc8785

import merkle
from stock import Refused, load_key, need, sha256, strict_json, verify_envelope, verify_statement

KINDS = {
    "abandoned": "https://orgo.dev/attestation/abandoned/v1",
    "admin": "https://orgo.dev/attestation/admin-change/v1",
    "build": "https://orgo.dev/attestation/build-record/v1",
    "revocation": "https://orgo.dev/attestation/revocation/v1",
    "started": "https://orgo.dev/attestation/started/v1",
    "trust": "https://orgo.dev/attestation/trust/v1",
}
# Kinds that change whom one trusts: a root key signs them too.
OF_TRUST = {"revocation", "trust"}
RECORD = re.compile(r"records/(0|[1-9]\d*)/(0|[1-9]\d*)/(0|[1-9]\d*)\.([a-z][a-z0-9-]*)\.(json|dsse)")
EVIDENCE = re.compile(r"evidence/([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{64})")


class Git:
    """Objects of a repository, by stock git. Nothing that the repository configures has a say in their bytes."""

    def __init__(self, repo):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        nothing = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_NO_REPLACE_OBJECTS": "1"}
        self.run = {"env": clean | nothing, "stdout": subprocess.PIPE}
        self.command = ["git", "--no-replace-objects", "-C", repo]
        self.batch = None

    def ask(self, *arguments):
        done = subprocess.run([*self.command, *arguments], stderr=subprocess.PIPE, **self.run)
        need(done.returncode == 0, f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def blob(self, name):
        if self.batch is None:
            self.batch = subprocess.Popen([*self.command, "cat-file", "--batch"], stdin=subprocess.PIPE, **self.run)
        self.batch.stdin.write(name.encode() + b"\n")
        self.batch.stdin.flush()
        header = self.batch.stdout.readline().split()
        need(len(header) == 3 and header[1] == b"blob", f"object {name} cannot be read")
        data = self.batch.stdout.read(int(header[2]) + 1)
        need(len(data) == int(header[2]) + 1, f"object {name} is cut off")
        return data[:-1]

    def tip(self, branch):
        return self.ask("rev-parse", "--verify", "--end-of-options", f"refs/heads/{branch}^{{commit}}").decode().strip()

    def history(self, tip):
        """The number of commits; refuses merges and second roots."""
        need(self.ask("rev-parse", "--is-shallow-repository").strip() == b"false", "the clone is shallow")
        lines = self.ask("rev-list", "--parents", tip).decode().splitlines()
        need(all(len(line.split()) <= 2 for line in lines), "the history has a merge")
        need(sum(len(line.split()) == 1 for line in lines) == 1, "the history does not have exactly one root")
        return len(lines)

    def files(self, tip):
        """Every file of the commit: path to the name of its blob."""
        files = {}
        for line in self.ask("ls-tree", "-r", "-z", "--full-tree", tip).split(b"\0")[:-1]:
            meta, path = line.split(b"\t", 1)
            mode, kind, name = meta.decode().split()
            need((mode, kind) == ("100644", "blob"), f"{path!r} is not a plain file")
            files[path.decode("utf-8")] = name
        return files


def record_paths(files):
    """The records in order: (path of the statement, path of the envelope, kind)."""
    found = {}
    for path in (p for p in files if p.startswith("records/")):
        match = RECORD.fullmatch(path)
        need(match, f"{path} is not a path of a record")
        high, middle, low = (int(match[i]) for i in (1, 2, 3))
        need(middle < 256 and low < 256, f"{path} is not a path of a record")
        found.setdefault((high << 16) + (middle << 8) + low, {})[(match[4], match[5])] = path
    need(found, "the ledger has no records")
    records = []
    for number, parts in sorted(found.items()):
        need(number == len(records), f"record {len(records)} is missing")
        kinds = {kind for kind, _ in parts}
        need(len(kinds) == 1 and len(parts) == 2, f"record {number} is not one statement and one envelope")
        kind = kinds.pop()
        records.append((parts[(kind, "json")], parts[(kind, "dsse")], kind))
    return records


def read_record(statement, envelope, path, kind, keys):
    """Verifies a record; returns its statement and the entry of its leaf."""
    detached = strict_json(envelope, f"the envelope of {path}")
    need("payload" not in detached, f"{path}: the envelope has a payload of its own")
    joined = detached | {"payload": base64.b64encode(statement).decode()}
    allowed = keys["runner"] + (keys["root"] if kind in OF_TRUST else [])
    payload, signers = verify_envelope(joined, allowed, path)
    need(payload == statement, f"{path}: the payload is another one")
    need(signers & {key.keyid for key in keys["runner"]}, f"{path}: no runner signed")
    if kind in OF_TRUST:
        need(signers & {key.keyid for key in keys["root"]}, f"{path}: no root key signed")
    said = verify_statement(payload, path)
    need(said["predicateType"] == KINDS.get(kind), f"{path}: another predicate type than that of its kind")
    leaf = {"envelope": f"sha256:{sha256(envelope).hex()}", "path": path, "statement": f"sha256:{sha256(statement).hex()}"}
    entry = json.dumps(leaf, sort_keys=True, separators=(",", ":")).encode()
    need(entry == rfc8785.dumps(leaf), f"{path}: two writers of canonical JSON disagree")
    return said, entry


def read_log(git, files, entries, origin, keys):
    """Holds everything under `log/` against the entries; returns leaf hashes and the number of tiles."""
    hashes = [merkle.leaf_hash(entry) for entry in entries]
    need("log/checkpoint" in files, "the ledger has no log: log/checkpoint is missing")
    said = merkle.read_checkpoint(git.blob(files["log/checkpoint"]), keys["log"])
    need(said[0] == origin, f"the checkpoint is one of the log {said[0]}, not {origin}")
    need(said[1] == len(hashes), f"the checkpoint is of {said[1]} records; there are {len(hashes)}")
    need(said[2] == merkle.root_of(hashes), "the root of the checkpoint is not that of the records")
    tiles = merkle.full_tiles(hashes, entries)
    expected = {f"log/tile/{place}": data for place, data in tiles.items() if not place.startswith("entries/")}
    bundles = {f"log/tile/{place}": data for place, data in tiles.items() if place.startswith("entries/")}
    there = {path for path in files if path.startswith("log/")} - {"log/checkpoint", "log/edge"}
    need(set(expected) <= there, f"a full tile is missing: {sorted(set(expected) - there)[:1]}")
    need(there <= set(expected) | set(bundles), f"a file of the log belongs to nothing: {sorted(there - set(expected))[:1]}")
    for path in sorted(there):
        need(git.blob(files[path]) == (expected | bundles)[path], f"{path} is not what the records give")
    need("log/edge" in files, "log/edge is missing")
    need(git.blob(files["log/edge"]) == merkle.write_edge(hashes), "log/edge is not what the records give")
    return hashes, len(there)


def check_proof(data, record, hashes, origin, keys):
    """Verifies a proof file for a record; an earlier checkpoint of the same log is as good."""
    index, path, note = merkle.read_proof(data)
    need(index == record, f"the proof is of record {index}, not {record}")
    said, size, root = merkle.read_checkpoint(note, keys["log"])
    need(said == origin, "the proof is from another log")
    need(index < size <= len(hashes), "the proof's checkpoint is of another tree")
    need(root == merkle.root_of(hashes[:size]), "the proof's checkpoint has another root than these records")
    need(merkle.root_from_path(hashes[index], index, size, path) == root, "the proof does not lead to the root")


def main():
    parser = argparse.ArgumentParser(description="Reads a whole ledger with stock libraries.")
    parser.add_argument("repo")
    parser.add_argument("branch")
    parser.add_argument("keys", nargs="+", metavar="DUTY:FILE")
    parser.add_argument("--proof", metavar="FILE")
    parser.add_argument("--record", type=int, metavar="N")
    given = parser.parse_args()
    if (given.proof is None) != (given.record is None):
        parser.error("--proof and --record belong together")
    keys = {"runner": [], "root": [], "log": []}
    for text in given.keys:
        duty, _, path = text.partition(":")
        if duty not in keys or not path:
            parser.error(f"`{text}` is not DUTY:FILE with a duty of {', '.join(keys)}")
        keys[duty].append(load_key(path))

    git = Git(given.repo)
    tip = git.tip(given.branch)
    commits, files = git.history(tip), git.files(tip)
    counts, entries, tenant, root = {}, [], None, None
    for path, envelope, kind in record_paths(files):
        statement = git.blob(files[path])
        said, entry = read_record(statement, git.blob(files[envelope]), path, kind, keys)
        whose = said["predicate"]["facts"]["tenant_id"]
        if not entries:
            need(kind == "trust", "record 0 is not one of trust")
            tenant, root = whose, sha256(statement).hex()
        need(whose == tenant, f"{path}: the record of another tenant")
        entries.append(entry)
        counts[kind] = counts.get(kind, 0) + 1
    evidence = 0
    for path in (p for p in files if p.startswith("evidence/")):
        match = EVIDENCE.fullmatch(path)
        need(match and match[3].startswith(match[1] + match[2]), f"{path} is not a path of evidence")
        need(sha256(git.blob(files[path])).hex() == match[3], f"{path} does not hash to its name")
        evidence += 1
    origin = f"orgo.dev/ledger/{tenant}/{root[:16]}"
    hashes, tiles = read_log(git, files, entries, origin, keys)
    proved = ""
    if given.proof is not None:
        with open(given.proof, "rb") as file:
            check_proof(file.read(), given.record, hashes, origin, keys)
        proved = f", proof of record {given.record}"
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    print(
        f"verified by stock libraries: {commits} commits, {len(entries)} records ({kinds}), {evidence} pieces of"
        f" evidence, log of {len(hashes)} leaves with {tiles} tiles{proved}"
    )


if __name__ == "__main__":
    try:
        main()
    except Refused as refusal:
        print(f"read_ledger: {refusal}", file=sys.stderr)
        sys.exit(1)
