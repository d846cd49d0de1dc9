"""One measured start of one command."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


class NotMeasured(Exception):
    """Why there is no figure: it took too long, it failed, or what it made is wrong."""


@dataclass
class Sample:
    """Seconds of wall time and of processor time (user and system, the whole tree), KiB of the largest process."""

    wall: float
    cpu: float
    memory: int


class Meter:
    """Starts commands through once.c and ends what takes longer than `limit` seconds."""

    def __init__(self, folder, limit):
        self.folder, self.limit = folder, limit
        self.once, self.mk = folder / "once", folder / "mk"
        for program in [self.once, self.mk]:
            source = HERE / f"{program.name}.c"
            subprocess.run(["cc", "-O2", "-static", "-o", program, source], check=True)

    def take(self, command, cwd, env=None, may_fail=False):
        """Run `command` in `cwd`; its output goes to a file."""
        report, log = self.folder / "report", self.folder / "log"
        with open(log, "wb") as to:
            process = subprocess.Popen(
                [self.once, report, *command],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=to,
                stderr=to,
                start_new_session=True,
            )
            try:
                process.wait(self.limit)
            except subprocess.TimeoutExpired:
                raise NotMeasured(f"> {self.limit:g} s") from None
            finally:
                end_group(process)
        wall, cpu, memory, status = report.read_text().split()
        if int(status) and not may_fail:
            last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-1:]
            raise NotMeasured(f"exit code {status}: {' '.join(last)[:120]}")
        return Sample(float(wall), float(cpu), int(memory))


def end_group(process):
    """End whatever is left of the group that `process` leads, also after an interruption, and wait for it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
