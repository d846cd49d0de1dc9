#!/usr/bin/env python3
"""What `--trace-inputs` costs a stage: the same stages with it and without, in turns, in one run; prints a Markdown table.

    traced.py --orgo PATH [--reps 5] [--jobs 2] [--scratch DIR]

Two kinds of stages, all at `confined`: `mk` (bench/peers/mk.c), which does next to nothing, and `cc`, which compiles a small
file that includes seven headers of the system: a few hundred calls that name a file. Every repetition is a cold run in a new repository.
CPU is user + system of the whole process tree that was waited for (wait4), the median of the repetitions, divided by the
number of stages.
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

SIZES = {"mk": 500, "cc": 60}
HEADERS = ["ctype", "errno", "math", "stdio", "stdlib", "string", "unistd"]


def compilers(size, place):
    """A repository whose stages compile a file each."""
    (place / "pipelines").mkdir(parents=True)
    (place / "orgo.kdl").write_text('project "bench"\n')
    stages = []
    for number in range(size):
        includes = "".join(f"#include <{name}.h>\n" for name in HEADERS)
        (place / f"{number}.c").write_text(f"{includes}int f{number}(void) {{ return {number}; }}\n")
        stages.append(
            f'    stage "s{number}" {{ files "{number}.c"; tool "as"; isolation "confined"; '
            f'run "cc" "-c" "-o" "o" "{number}.c"; out "o" }}\n'
        )
    (place / "pipelines" / "wide.kdl").write_text(f'pipeline "wide" {{\n{"".join(stages)}}}\n')
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"]):
        subprocess.run(["git", *command], cwd=place, check=True)


def cold(args, kind, traced, mk, scratch):
    """CPU and wall seconds of one cold run."""
    place = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=scratch))
    if kind == "mk":
        generate.generate("orgo", "wide", SIZES[kind], place / "work", mk, "confined")
    else:
        compilers(SIZES[kind], place / "work")
    (place / "home").mkdir(mode=0o700)
    command = [str(args.orgo), "run", "wide", "--home", str(place / "home"), f"-j{args.jobs}", "--quiet"]
    command += ["--trace-inputs"] if traced else []
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=place / "work", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{kind}, traced: {traced}: exit code {process.returncode}")
    shutil.rmtree(place)
    return usage.ru_utime + usage.ru_stime, wall


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orgo", type=Path, required=True)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--scratch", type=Path)
    args = parser.parse_args()
    args.orgo = args.orgo.resolve()
    scratch = Path(tempfile.mkdtemp(prefix="traced-", dir=args.scratch))
    mk = scratch / "mk"
    subprocess.run(["cc", "-O2", "-static", "-o", mk, HERE.parent / "peers" / "mk.c"], check=True)
    kinds = [(kind, traced) for kind in SIZES for traced in (False, True)]
    samples = {kind: [] for kind in kinds}
    for _ in range(args.reps):
        for kind, traced in kinds:
            samples[kind, traced].append(cold(args, kind, traced, mk, scratch))
    shutil.rmtree(scratch)
    print("| Stage | CPU, ms | traced: CPU, ms | ratio | wall, ms | traced: wall, ms | ratio |")
    print("|---|---|---|---|---|---|---|")
    for kind, size in SIZES.items():
        per = lambda traced, which: statistics.median(s[which] for s in samples[kind, traced]) * 1000 / size
        cells = [f"{per(False, w):.2f} | {per(True, w):.2f} | {per(True, w) / per(False, w):.2f}" for w in (0, 1)]
        print(f"| `{kind}` | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
