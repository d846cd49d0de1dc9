#!/usr/bin/env python3
"""Compare orgo with ninja and make on the same graph, side by side in one run, and print a Markdown table.

    compare.py --orgo PATH [--sizes 1000,10000] [--shape layered] [--isolation open] [--ninja PATH] [--jobs 2]

Phases
    cold               a fresh directory for every repetition: nothing is known, every stage runs
    no-op              nothing changed
    one leaf changed   the first leaf file gets new content (for orgo it is committed first, outside the measurement,
                       so that orgo always sees a clean tree)

The runners take turns within every repetition, so that a disturbance hits all of them. CPU is user + system of the
whole process tree that was waited for (wait4), the median of the repetitions; wall time is shown beside it and is only
as good as the machine was quiet. After the last phase the outputs of all runners are compared byte for byte.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import generate

HERE = Path(__file__).resolve().parent
PHASES = ["cold", "no-op", "one leaf changed"]
IDENTITY = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "-c", "commit.gpgsign=false"]


class Runner:
    """One tool with its own working directory, renewed for every cold run."""

    def __init__(self, tool, args, mk, size, scratch):
        self.tool, self.args, self.mk, self.size, self.scratch = tool, args, mk, size, scratch
        self.samples = {phase: [] for phase in PHASES}
        self.stages, self.root = [], None

    def fresh(self):
        """A new directory with the graph in it; orgo's is a git repository with one commit, and has a home of its own."""
        if self.root:
            shutil.rmtree(self.root.parent)
        self.root = Path(tempfile.mkdtemp(prefix=f"{self.tool}-", dir=self.scratch)) / "work"
        self.stages = generate.generate(
            self.tool, self.args.shape, self.size, self.root, self.mk, self.args.isolation
        )
        if self.tool == "orgo":
            (self.root.parent / "home").mkdir(mode=0o700)
            self.git("init", "-q", "-b", "main")
            self.commit("bench: the graph")

    def git(self, *words):
        subprocess.run(["git", *IDENTITY, *words], cwd=self.root, check=True, stdout=subprocess.DEVNULL)

    def commit(self, subject):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)

    def command(self):
        jobs = f"-j{self.args.jobs}"
        if self.tool == "ninja":
            return [self.args.ninja, "--quiet", jobs]
        if self.tool == "make":
            return [self.args.make, "-rs", jobs]
        home = str(self.root.parent / "home")
        return [str(self.args.orgo), "run", self.args.shape, "--home", home, jobs, "--quiet"]

    def change(self, text):
        """New content for the first leaf. ninja and make compare whole nanoseconds, so no waiting is needed."""
        (self.root / generate.leaf(0)).write_text(text, encoding="utf-8")
        if self.tool == "orgo":
            self.commit("bench: one leaf changed")

    def measure(self, phase):
        """Run once; the process tree's CPU seconds and the wall seconds go to the samples of `phase`."""
        with open(self.root.parent / "log", "wb") as log:
            began = time.monotonic()
            process = subprocess.Popen(self.command(), cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.stderr.write((self.root.parent / "log").read_text(errors="replace")[-2000:])
            sys.exit(f"{self.tool}, {self.size} stages, {phase}: exit code {process.returncode}")
        self.samples[phase].append((usage.ru_utime + usage.ru_stime, wall))

    def outputs(self):
        """{stage: bytes} of every output that lies in the working directory."""
        found = {}
        for stage in range(len(self.stages)):
            path = generate.target(stage) if self.tool != "orgo" else f"out/{self.args.shape}/s{stage}/out"
            if (self.root / path).is_file():
                found[stage] = (self.root / path).read_bytes()
        return found

    def median(self, phase, which):
        return statistics.median(sample[which] for sample in self.samples[phase])


def run(args, mk, size, scratch):
    """All phases for one size; returns the runners with their samples."""
    tools = (["orgo"] if args.orgo else []) + ["ninja", "make"]
    runners = [Runner(tool, args, mk, size, scratch) for tool in tools]
    for _ in range(args.cold):
        for runner in runners:
            runner.fresh()
            runner.measure("cold")
    for _ in range(args.reps):
        for runner in runners:
            runner.measure("no-op")
        text = f"changed {random.random()}\n"
        for runner in runners:
            runner.change(text)
            runner.measure("one leaf changed")
    compare(runners, size)
    return runners


def compare(runners, size):
    """Stop unless every output that a runner left is the one that make left, and the last stage is among them."""
    reference = next(r for r in runners if r.tool == "make").outputs()
    if len(reference) != size:
        sys.exit(f"make left {len(reference)} outputs of {size}")
    for runner in runners:
        found = runner.outputs()
        wrong = [stage for stage, data in found.items() if reference[stage] != data]
        if wrong or size - 1 not in found:
            sys.exit(f"{runner.tool}, {size} stages: outputs differ at {wrong[:5]} or the last one is missing")


def milliseconds(seconds):
    return f"{seconds * 1000:.0f}" if seconds >= 0.1 else f"{seconds * 1000:.1f}"


def table(results):
    """Markdown rows: CPU and wall in milliseconds, and orgo's CPU as a multiple of each peer's."""
    names = [runner.tool for runner in results[0][1]]
    peers = [name for name in names if name != "orgo"] if "orgo" in names else []
    head = ["stages", "phase"] + [f"{n} CPU / wall, ms" for n in names] + [f"CPU, orgo ÷ {n}" for n in peers]
    head += ["CPU per stage, ms: " + ", ".join(names)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for size, runners in results:
        by = {runner.tool: runner for runner in runners}
        for phase in PHASES:
            cpu = {name: by[name].median(phase, 0) for name in names}
            cells = [f"{size:,}".replace(",", " "), phase]
            cells += [f"{milliseconds(cpu[n])} / {milliseconds(by[n].median(phase, 1))}" for n in names]
            cells += [f"{cpu['orgo'] / max(cpu[n], 1e-4):.2f}" for n in peers]
            cells += [", ".join(f"{cpu[n] * 1000 / size:.3f}" for n in names)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def circumstances(args):
    """What a reader needs to judge the figures."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    first = lambda command: subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0]
    versions = [first([args.make, "--version"]), "ninja " + first([args.ninja, "--version"])]
    if args.orgo:
        versions.insert(0, first([str(args.orgo), "--version"]))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (f"{args.shape}, isolation {args.isolation}, -j{args.jobs}; medians of {args.reps}, cold of {args.cold}; "
            f"{os.cpu_count()} × {model}; load at the end {load}; {'; '.join(versions)}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orgo", type=lambda p: Path(p).resolve(), help="the orgo binary; without it only the peers run")
    parser.add_argument("--ninja", default="ninja")
    parser.add_argument("--make", default="make")
    parser.add_argument("--sizes", default="1000,10000")
    parser.add_argument("--shape", choices=["layered", "chain", "wide"], default="layered")
    parser.add_argument("--isolation", choices=["open", "confined", "hermetic"], default="open")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--reps", type=int, default=5, help="repetitions of no-op and one leaf changed")
    parser.add_argument("--cold", type=int, default=3, help="repetitions of cold")
    parser.add_argument("--scratch", type=Path, help="where the temporary directory is made")
    args = parser.parse_args()
    if args.ninja != "ninja":
        args.ninja = str(Path(args.ninja).resolve())
    with tempfile.TemporaryDirectory(prefix="orgo-bench-", dir=args.scratch) as scratch:
        mk = Path(scratch) / "mk"
        subprocess.run(["cc", "-O2", "-static", "-o", mk, HERE / "mk.c"], check=True)
        results = [(size, run(args, mk, size, Path(scratch))) for size in map(int, args.sizes.split(","))]
    print(table(results))
    print()
    print(circumstances(args))


if __name__ == "__main__":
    main()
