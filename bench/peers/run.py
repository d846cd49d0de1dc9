#!/usr/bin/env python3
"""Measure orgo and its peers on the same graphs, in turns, in one run; print Markdown tables with the bars.

    run.py --orgo PATH [--sizes 1000 10000] [--shapes layered wide chain] [--tools orgo ninja …] [--scratch DIR]
           [--limit 300] [--rows FILE]

Phases, in this order, all tools taking turns within each repetition
    first plan         (orgo) a plan where nothing is known
    cold               a new folder every time: nothing is known, every stage runs
    one leaf changed   the first leaf has new content (for orgo and turbo in a git repository; committed for orgo)
    no-op after it     nothing changed since
    no-op again        nor since then
    warm plan          what a run would do, where nothing changed
    restore            all results are deleted and brought back by what the tool keeps

After cold, one leaf changed and restore every output is compared with what it must be, computed here; a tool whose
outputs are wrong gets no figures. A tool that needs longer than the limit says so, and larger sizes that would by its
cold time are not tried. Every sample of a tool that took longer than --once seconds is the only one.

The tools are looked for on the PATH. Rows go to a file, one JSON object a line; table.py makes the tables out of it.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import extras
import table
from graph import SHAPES, expected, graph
from meter import Meter, NotMeasured
from tools import TOOLS, Orgo

SETTLE = 0.05  # seconds before a change, so that no tool has to tell two times apart that the clock does not


class Bench:
    """What is measured for one shape and size."""

    def __init__(self, args, meter, shape, size, rows):
        self.args, self.meter, self.shape, self.size, self.rows = args, meter, shape, size, rows
        self.stages = graph(shape, size)
        self.samples, self.why, self.slow = {}, {}, set()

    def measure(self, kinds, skipped):
        """All phases of all kinds; `skipped` tells of tools that are known to take too long."""
        tools = [k(self.shape, self.size, self.args.jobs, self.meter.mk, self.args.scratch) for k in kinds]
        self.why.update({tool.name: skipped[tool.name] for tool in tools if tool.name in skipped})
        truth = expected(self.stages)
        for turn in range(self.args.cold):
            for tool in self.going(tools, turn):
                self.guarded(tool, self.cold, truth)
        tools, cold_only = [t for t in tools if not t.cold_only], [t for t in tools if t.cold_only]
        for tool in cold_only:
            tool.remove()
        for turn in range(self.args.reps):
            text = f"changed {random.random()}\n"
            truth = expected(self.stages, text)
            for tool in self.going(tools, turn):
                self.guarded(tool, self.further, text, truth)
        for tool in tools + cold_only:
            self.report(tool)
            tool.remove()

    def going(self, tools, turn):
        return [t for t in tools if t.name not in self.why and not (turn and t.name in self.slow)]

    def guarded(self, tool, part, *words):
        try:
            part(tool, *words)
        except NotMeasured as why:
            self.why[tool.name] = f"{why} at {self.size}"

    def cold(self, tool, truth):
        if tool.remembers_plans:
            tool.fresh()
            self.step(tool, "first plan", tool.plan())
        tool.fresh()
        self.step(tool, "cold", tool.run(), truth)
        if tool.name == Orgo.name:
            self.rows.add(shape=self.shape, size=self.size, **extras.store(tool))

    def further(self, tool, text, truth):
        time.sleep(SETTLE)
        tool.change(text)
        self.step(tool, "one leaf changed", tool.run(), truth)
        self.step(tool, "no-op after it", tool.run())
        self.step(tool, "no-op again", tool.run())
        if tool.plans:
            self.step(tool, "warm plan", tool.plan())
        if tool.keeps_results:
            tool.delete_results()
            self.step(tool, "restore", tool.restore(), truth)

    def step(self, tool, phase, command, truth=None):
        """Measure once; outputs that are not the truth refuse it."""
        sample = self.meter.take(command, tool.root, tool.environment())
        wrong = tool.wrong(truth) if truth else []
        if wrong:
            raise NotMeasured(f"refused: {len(wrong)} outputs wrong, such as s{wrong[0]}, after {phase}")
        _, samples = self.samples.setdefault((tool.name, phase), (command, []))
        samples.append(sample)
        if sample.wall > self.args.once:
            self.slow.add(tool.name)
        print(f"{self.shape} {self.size} {tool.name}, {phase}: {sample.wall:.3f} s", file=sys.stderr)

    def report(self, tool):
        refused = "refused" in self.why.get(tool.name, "")
        why = f"not run: {self.why[tool.name]}" if tool.name in self.why else None
        for phase in table.PHASES:
            row = {"shape": self.shape, "size": self.size, "tool": tool.name, "phase": phase}
            command, samples = self.samples.get((tool.name, phase), (None, []))
            if samples and not refused:
                figures = {n: [getattr(s, n) for s in samples] for n in ["cpu", "wall", "memory"]}
                row.update({name: statistics.median(values) for name, values in figures.items()})
                row.update(samples=figures, command=" ".join([Path(command[0]).name, *command[1:]]))
            elif phase in table.phases_of(tool) and why:
                row["why"] = why
                why = "not run"  # the first phase that is missing tells
            else:
                continue
            self.rows.add(**row)

    def too_long(self, size):
        """The tools that cannot be within the limit at `size`, by what they needed here if they grow in proportion."""
        late = {name: why for name, why in self.why.items() if why.startswith(">")}
        for (name, phase), (_, samples) in self.samples.items():
            seconds = statistics.median(s.wall for s in samples)
            if phase == "cold" and seconds * size / self.size > self.args.limit:
                late.setdefault(name, f"> {self.args.limit:g} s, by {seconds:.0f} s at {self.size}")
        return late


class Rows:
    """What was measured: kept, and appended to the file at once."""

    def __init__(self, path):
        self.path, self.all = path, []
        path.write_text("")

    def add(self, **row):
        self.all.append(row)
        with open(self.path, "a", encoding="utf-8") as to:
            to.write(json.dumps(row) + "\n")


def circumstances(args, kinds):
    """What a reader needs to judge the figures."""
    known = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in known if line.startswith("model name")), "?")
    says = lambda program: subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "machine": f"{os.cpu_count()} × {model}, {memory:.0f} GiB, Linux {os.uname().release}",
        "load": [round(value, 1) for value in os.getloadavg()],
        "versions": {kind.name: says(kind.program).split("\n")[0] for kind in kinds if not kind.cold_only},
        "missing": [name for name in args.tools if not shutil.which(TOOLS[name].program)],
        "words": f"medians of {args.reps}, cold of {args.cold}, -j{args.jobs}, limit {args.limit:g} s",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orgo", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--shapes", choices=SHAPES, nargs="+", default=SHAPES)
    parser.add_argument("--tools", choices=list(TOOLS), nargs="+", default=list(TOOLS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--reps", type=int, default=5, help="repetitions of all but cold")
    parser.add_argument("--cold", type=int, default=3, help="repetitions of cold")
    parser.add_argument("--once", type=float, default=30, help="a tool that took so many seconds is measured once")
    parser.add_argument("--limit", type=float, default=300, help="seconds after which a tool is ended")
    parser.add_argument("--scratch", type=Path, help="where the graphs are written")
    parser.add_argument("--rows", type=Path, default=Path("peers.jsonl"))
    args = parser.parse_args()
    Orgo.program = str(args.orgo.resolve())
    kinds = [TOOLS[name] for name in dict.fromkeys(args.tools) if shutil.which(TOOLS[name].program)]
    rows = Rows(args.rows)
    rows.add(**circumstances(args, kinds))
    with (
        tempfile.TemporaryDirectory(prefix="peers-", dir=args.scratch) as scratch,
        tempfile.TemporaryDirectory(prefix="peers-", dir="/var/tmp") as own,  # a hermetic stage sees mk here
    ):
        args.scratch = Path(scratch)
        meter = Meter(Path(own), args.limit)
        for shape in args.shapes:
            skipped = {}
            for size in sorted(args.sizes):
                bench = Bench(args, meter, shape, size, rows)
                bench.measure(kinds, skipped)
                larger = [other for other in args.sizes if other > size]
                skipped |= bench.too_long(min(larger)) if larger else {}
        extras.start_up(kinds, meter, rows)
        if Orgo in kinds:
            extras.records(args, meter, rows)
    rows.add(load_after=[round(value, 1) for value in os.getloadavg()])
    print(table.write(rows.all))


if __name__ == "__main__":
    main()
