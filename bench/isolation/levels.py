#!/usr/bin/env python3
"""What a level of isolation costs a stage: the same stages at each level, in turns, in one run; prints a Markdown table.

    levels.py --orgo PATH [PATH …] [--size 500] [--reps 5] [--jobs 2] [--scratch DIR]

Every repetition is a cold run in a new repository: nothing is known, every stage runs. CPU is user + system of the whole
process tree that was waited for (wait4), the median of the repetitions, divided by the number of stages; what a level
costs is the difference to `open` of the same program. Several programs take turns too. The stages run mk (bench/peers/mk.c), which does next to nothing.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))
import generate

LEVELS = ["open", "confined", "hermetic"]


def cold(args, orgo, level, mk, scratch):
    """CPU and wall seconds of one cold run."""
    place = Path(tempfile.mkdtemp(prefix=f"{level}-", dir=scratch))
    generate.generate("orgo", "wide", args.size, place / "work", mk, level)
    (place / "home").mkdir(mode=0o700)
    command = [str(orgo), "run", "wide", "--home", str(place / "home"), f"-j{args.jobs}", "--quiet"]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=place / "work", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{level}: exit code {process.returncode}")
    shutil.rmtree(place)
    return usage.ru_utime + usage.ru_stime, wall


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orgo", type=Path, required=True, nargs="+")
    parser.add_argument("--size", type=int, default=500)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--scratch", type=Path)
    args = parser.parse_args()
    programs = [orgo.resolve() for orgo in args.orgo]
    scratch = Path(tempfile.mkdtemp(prefix="levels-", dir=args.scratch))
    place = Path(tempfile.mkdtemp(prefix="levels-", dir="/var/tmp"))  # not where hermetic stages have their own
    mk = place / "mk"
    subprocess.run(["cc", "-O2", "-static", "-o", mk, HERE.parent / "peers" / "mk.c"], check=True)
    kinds = [(orgo, level) for orgo in programs for level in LEVELS]
    samples = {kind: [] for kind in kinds}
    for _ in range(args.reps):
        for orgo, level in kinds:
            samples[orgo, level].append(cold(args, orgo, level, mk, scratch))
    shutil.rmtree(scratch)
    shutil.rmtree(place)
    per_stage = {
        kind: [statistics.median(s[which] for s in samples[kind]) * 1000 / args.size for which in (0, 1)]
        for kind in kinds
    }
    for number, orgo in enumerate(programs):
        if len(programs) > 1:
            print(f"\n{number + 1}. {orgo.name}\n")
        print("| Level | CPU per stage, ms | more than `open`, ms | ÷ `open` | wall per stage, ms |")
        print("|---|---|---|---|---|")
        least = per_stage[orgo, "open"][0]
        for level in LEVELS:
            cpu, wall = per_stage[orgo, level]
            print(f"| `{level}` | {cpu:.2f} | {cpu - least:.2f} | {cpu / least:.2f} | {wall:.2f} |")


if __name__ == "__main__":
    main()
