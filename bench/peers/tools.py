"""The tools that are compared: how each is told the graph, started, asked for a plan, and what it leaves behind."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from generate import generate, package
from graph import leaf, target

IDENTITY = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "-c", "commit.gpgsign=false"]


class Tool:
    """One tool with a place of its own, renewed for every cold run. This is what make does; others differ from it."""

    name = program = declared = "make"
    cold_only = False  # measured cold, and not further
    remembers_plans = False  # its first plan is another thing than its later ones
    plans = True  # it can say what a run would do
    keeps_results = False  # it can bring back results that were deleted

    def __init__(self, shape, size, jobs, mk, scratch):
        self.shape, self.size, self.jobs, self.mk, self.scratch = shape, size, f"-j{jobs}", mk, scratch
        self.place = None

    def fresh(self):
        """A new place with the graph in it: work/ is the working folder, home/ the home folder."""
        self.remove()
        self.place = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=self.scratch))
        self.root, self.home = self.place / "work", self.place / "home"
        self.home.mkdir(mode=0o700)
        generate(self.declared, self.shape, self.size, self.root, self.mk, **self.options())
        self.prepare()

    def remove(self):
        if self.place:
            subprocess.run(["chmod", "-R", "u+w", self.place], check=True)  # nix's store is read-only
            shutil.rmtree(self.place)
            self.place = None

    def options(self):
        return {}

    def prepare(self):
        """What the tool needs once, before anything is measured."""

    def environment(self):
        return {**os.environ, "HOME": str(self.home)}

    def run(self):
        return [self.program, "-rs", self.jobs]

    def plan(self):
        return [self.program, "-rn", self.jobs]

    def restore(self):
        """What brings deleted results back."""
        return self.run()

    def leaf(self):
        return self.root / leaf(0)

    def change(self, text):
        self.leaf().write_text(text, encoding="utf-8")

    def output(self, stage):
        return self.root / target(stage)

    def delete_results(self):
        for stage in range(self.size):
            self.output(stage).unlink()

    def wrong(self, expected):
        """The stages whose output is missing or is not what it must be."""
        return [s for s in range(self.size) if not self.holds(self.output(s), expected[s])]

    def holds(self, path, text):
        return path.is_file() and path.read_bytes() == text


class Ninja(Tool):
    name = program = declared = "ninja"

    def run(self):
        return [self.program, "--quiet", self.jobs]

    def plan(self):
        return [self.program, "-n", "--quiet", self.jobs]


class Samurai(Ninja):
    name = program = "samu"

    def run(self):
        return [self.program, self.jobs]

    def plan(self):
        return [self.program, "-n", self.jobs]


class N2(Ninja):
    name = program = "n2"
    plans = False

    def run(self):
        return [self.program, self.jobs]


class Nix(Tool):
    """Without its sandbox and its daemon, in a store of its own. All that it brings back is the link into its store."""

    name, program, declared, keeps_results = "nix", "nix-build", "nix", True

    def environment(self):
        places = {f"NIX_{n.upper()}_DIR": str(self.place / "nix" / n) for n in ["store", "state", "log", "conf"]}
        return {**super().environment(), **places, "NIX_REMOTE": "local"}

    def run(self):
        options = ["sandbox", "false", "build-users-group", "", "substitute", "false"]
        words = [word for pair in zip(options[::2], options[1::2]) for word in ["--option", *pair]]
        return [self.program, "-A", "all", "-o", "result", "-Q", self.jobs, *words]

    def plan(self):
        return [*self.run(), "--dry-run"]

    def delete_results(self):
        (self.root / "result").unlink()

    def wrong(self, expected):
        """A stage holds if one of its paths in the store does: after a change there are several of them."""
        found = {}
        for entry in os.scandir(self.place / "nix" / "store"):
            name = entry.name.partition("-")[2]
            if entry.is_file() and name[1:].isdigit():
                found.setdefault(int(name[1:]), []).append(Path(entry).read_bytes())
        return [s for s in range(self.size) if expected[s] not in found.get(s, [])]


class Turbo(Tool):
    """A package a stage. npm is a stand-in that runs the script at once: the real one costs 0.3 s a stage."""

    name, program, declared, keeps_results = "turbo", "turbo", "turbo", True

    def prepare(self):
        npm = self.place / "bin" / "npm"
        npm.parent.mkdir()
        npm.write_text("#!/bin/sh\n. ./build.sh\n")
        npm.chmod(0o755)
        commit(self.root, "the graph")

    def environment(self):
        quiet = {"TURBO_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1", "TURBO_NO_UPDATE_NOTIFIER": "1"}
        return {**super().environment(), **quiet, "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}"}

    def run(self):
        words = ["--output-logs=none", "--no-daemon", f"--concurrency={self.jobs[2:]}"]
        return [self.program, "run", "build", *words]

    def plan(self):
        return [self.program, "run", "build", "--no-daemon", "--dry=json"]

    def leaf(self):
        return self.root / package(0) / "in.txt"

    def output(self, stage):
        return self.root / package(stage) / "made"


class Dvc(Tool):
    """One stage at a time, whatever it is told. Brings back with `dvc checkout`, which does not look at the stages."""

    name, program, declared, keeps_results = "dvc", "dvc", "dvc", True

    def prepare(self):
        begin = [self.program, "init", "--no-scm", "-q"]
        subprocess.run(begin, cwd=self.root, env=self.environment(), check=True, stdout=subprocess.DEVNULL)

    def environment(self):
        return {**super().environment(), "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(self.place / "site")}

    def run(self):
        return [self.program, "repro", "-q"]

    def plan(self):
        return [self.program, "repro", "-q", "--dry"]

    def restore(self):
        return [self.program, "checkout", "-q"]


class Orgo(Tool):
    """A git repository with one commit; every run that changes something leaves a signed record in it."""

    name, declared, remembers_plans, keeps_results = "orgo", "orgo", True, True
    program = "orgo"  # a path, set by --orgo
    isolation = "open"

    def options(self):
        return {"isolation": self.isolation}

    def prepare(self):
        commit(self.root, "the graph")

    def run(self):
        return [self.program, "run", self.shape, "--home", str(self.home), self.jobs, "--quiet"]

    def plan(self):
        return [self.program, "plan", self.shape, "--home", str(self.home), "--quiet"]

    def change(self, text):
        """Committed first, outside of what is measured, so that orgo sees a clean tree."""
        super().change(text)
        commit(self.root, "one leaf changed")

    def output(self, stage):
        return self.root / "out" / self.shape / f"s{stage}" / "out"

    def delete_results(self):
        shutil.rmtree(self.root / "out")


class Confined(Orgo):
    name, isolation, cold_only, remembers_plans = "orgo confined", "confined", True, False


class Hermetic(Confined):
    name, isolation = "orgo hermetic", "hermetic"


def commit(root, subject):
    """Everything in `root` as a commit, of a repository that is made if there is none."""
    if not (root / ".git").exists():
        subprocess.run(["git", "init", "-q", "-b", "main"], cwd=root, check=True)
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
    subprocess.run(["git", *IDENTITY, "commit", "-q", "-m", subject], cwd=root, check=True)


TOOLS = {kind.name: kind for kind in [Orgo, Confined, Hermetic, Ninja, Samurai, N2, Tool, Nix, Turbo, Dvc]}
