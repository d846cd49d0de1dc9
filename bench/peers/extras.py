"""What else is measured: start-up, what a record costs a run, what a stage leaves in the store."""

import os
import statistics
import subprocess
from pathlib import Path

from tools import Orgo

TURNS = 20


def sizes(folder):
    """Files below a folder: how many, their bytes, and the bytes that the file system gave them."""
    found = [os.lstat(Path(place) / name) for place, _, names in os.walk(folder) for name in names]
    return len(found), sum(f.st_size for f in found), sum(f.st_blocks * 512 for f in found)


def store(tool):
    """What a cold run of orgo left behind: its store, and beside it what it remembers and its journal."""
    files, count, allocated = sizes(tool.root / ".orgo" / "store")
    _, memory, _ = sizes(tool.root / ".orgo" / "state")
    _, journal, _ = sizes(tool.root / ".orgo" / "runs")
    return {"extra": "store", "files": files, "bytes": count, "allocated": allocated, "state": memory, "runs": journal}


def start_up(kinds, meter, rows):
    """`--version` of every tool, in turns."""
    kinds = [kind for kind in kinds if not kind.cold_only]
    taken = {kind.name: [] for kind in kinds}
    for _ in range(TURNS):
        for kind in kinds:
            taken[kind.name].append(meter.take([kind.program, "--version"], "/", may_fail=True))
    for name, samples in taken.items():
        middle = {n: statistics.median(getattr(s, n) for s in samples) for n in ["cpu", "wall", "memory"]}
        rows.add(extra="start-up", tool=name, turns=TURNS, **middle)


def ledger_bytes(root):
    """Bytes that the objects of the local ledger take in git."""
    listed = subprocess.run(["git", "rev-list", "--objects", "orgo/local"], cwd=root, capture_output=True, check=True)
    names = b"\n".join(line.split()[0] for line in listed.stdout.splitlines())
    asked = ["git", "cat-file", "--batch-check=%(objectsize:disk)"]
    told = subprocess.run(asked, cwd=root, input=names, capture_output=True, check=True)
    return sum(map(int, told.stdout.split()))


class Bare(Orgo):
    """Without git there is nothing to put a record in."""

    name = "orgo without git"

    def prepare(self):
        pass

    def change(self, text):
        self.leaf().write_text(text, encoding="utf-8")


def records(args, meter, rows):
    """A run of one stage that has to run, with a record and without, in turns; and how the ledger grows by it."""
    kinds = [Orgo, Bare]
    tools = [kind("wide", 1, args.jobs, meter.mk, args.scratch) for kind in kinds]
    for tool in tools:
        tool.fresh()
        meter.take(tool.run(), tool.root, tool.environment())  # the first run begins the ledger
    before = ledger_bytes(tools[0].root)
    taken = [[], []]
    for turn in range(TURNS):
        for tool, samples in zip(tools, taken):
            tool.change(f"turn {turn}\n")
            samples.append(meter.take(tool.run(), tool.root, tool.environment()))
    grown = (ledger_bytes(tools[0].root) - before) / TURNS
    middle = [{n: statistics.median(getattr(s, n) for s in samples) for n in ["cpu", "wall"]} for samples in taken]
    rows.add(extra="record", turns=TURNS, recorded=middle[0], without=middle[1], ledger_bytes=grown)
    for tool in tools:
        tool.remove()
