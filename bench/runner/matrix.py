#!/usr/bin/env python3
"""What it costs to check and to plan a pipeline that a matrix makes large.

    matrix.py --orgo target/release/orgo [--sizes 10000,1000000] [--scratch DIR]

One pipeline of two declared stages over a matrix of two axes: half of the stages read a file, the other half read from
them. Printed is, for each size and command, the CPU time (user and system) and the largest memory of the process.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path


def write(root, size):
    """A repository whose pipeline expands to `size` stages."""
    pairs = size // 2
    rows = max(1, int(pairs**0.5))
    columns = pairs // rows
    values = lambda letter, n: " ".join(f'"{letter}{i}"' for i in range(n))
    (root / "pipelines").mkdir(parents=True)
    (root / "orgo.kdl").write_text('project "bench"\n')
    (root / "input.txt").write_text("input\n")
    (root / "pipelines/large.kdl").write_text(
        'pipeline "large" {\n'
        f'    matrix {{ row {values("r", rows)}; column {values("c", columns)} }}\n'
        '    stage "build" { files "input.txt"; run "/bin/cp" "input.txt" "${row}.${column}"; out "${row}.${column}" }\n'
        '    stage "test" { from "build"; run "/bin/cmp" "in/build/${row}.${column}" "in/build/${row}.${column}" }\n'
        "}\n"
    )
    return 2 * rows * columns


def measure(command, root):
    """CPU seconds, wall seconds and MiB of one run of a command."""
    start = os.times().elapsed
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command}: {error.decode()}")
    return usage.ru_utime + usage.ru_stime, os.times().elapsed - start, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orgo", type=Path, required=True)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--scratch", default=None)
    args = parser.parse_args()
    print("| Stages | Command | CPU, s | wall, s | memory, MiB |\n|---|---|---|---|---|")
    for size in map(int, args.sizes.split(",")):
        with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
            root = Path(folder) / "repo"
            count = write(root, size)
            orgo = [str(args.orgo.resolve()), "--home", str(Path(folder) / "home"), "-q"]
            for name, words in [
                ("check", ["check"]),
                ("plan, first", ["plan", "large"]),
                ("plan, again", ["plan", "large"]),
            ]:
                cpu, wall, memory = measure(orgo + words, root)
                print(f"| {count} | {name} | {cpu:.2f} | {wall:.2f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
