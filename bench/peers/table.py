#!/usr/bin/env python3
"""Markdown tables out of the rows of run.py: what every tool took, orgo as a multiple of it, and the bars.

table.py ROWS…
"""

import json
import sys
from pathlib import Path

PHASES = ["first plan", "cold", "one leaf changed", "no-op after it", "no-op again", "warm plan", "restore"]
FLAT = ["no-op after it", "no-op again", "warm plan"]
PUT_BACK = ["turbo", "dvc"]  # peers that bring files back; nix brings back a link


def phases_of(tool):
    """The phases in which a tool is measured."""
    left_out = {"first plan": not tool.remembers_plans, "warm plan": not tool.plans, "restore": not tool.keeps_results}
    return ["cold"] if tool.cold_only else [phase for phase in PHASES if not left_out.get(phase)]


def lines(head, rows):
    """A table."""
    line = lambda cells: "| " + " | ".join(cells) + " |"
    return [line(head), "|" + "---|" * len(head), *map(line, rows), ""]


def ms(seconds):
    """Milliseconds with three digits or so."""
    value = seconds * 1000
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def count(number):
    return f"{number:,}"


class Measured:
    """The rows of one or several runs, by shape, size, tool and phase; what comes later stands."""

    def __init__(self, rows):
        self.by, self.extra, self.told = {}, {}, {}
        for row in rows:
            if "phase" in row:
                self.by[row["shape"], row["size"], row["tool"], row["phase"]] = row
            elif "extra" in row:
                self.extra[row["extra"], row.get("shape"), row.get("size"), row.get("tool")] = row
            else:
                self.told.update(row)
        self.cells = list(dict.fromkeys(key[:2] for key in self.by))
        self.tools = list(dict.fromkeys(key[2] for key in self.by))

    def value(self, cell, tool, phase, what="cpu"):
        """One figure, or None."""
        return self.by.get((*cell, tool, phase), {}).get(what)

    def stage(self, cell, tool, phase):
        """Milliseconds of processor time a stage, or None."""
        cpu = self.value(cell, tool, phase)
        return cpu and cpu * 1000 / cell[1]

    def cell(self, cell, tool, phase):
        """What stands in a table."""
        row = self.by.get((*cell, tool, phase))
        if not row:
            return "–"
        return row["why"] if "why" in row else f"{ms(row['cpu'])} / {ms(row['wall'])}"

    def ratio(self, cell, phase, peer):
        """orgo's processor time as a multiple of a peer's, or None."""
        mine, theirs = self.value(cell, "orgo", phase), self.value(cell, peer, phase)
        return mine / theirs if mine and theirs else None


def figures(measured):
    """What every tool took: processor and wall time in milliseconds."""
    out = []
    for cell in measured.cells:
        out += [f"**{cell[0]}, {count(cell[1])} stages** (CPU / wall, ms)", ""]
        rows = []
        for tool in measured.tools:
            cold = measured.value(cell, tool, "cold")
            peaks = [m for m in (measured.value(cell, tool, phase, "memory") for phase in PHASES) if m]
            rows.append([tool, *(measured.cell(cell, tool, phase) for phase in PHASES)])
            rows[-1] += [f"{cold * 1000 / cell[1]:.2f}" if cold else "–", f"{max(peaks) / 1024:.0f}" if peaks else "–"]
        out += lines(["tool", *PHASES, "CPU a cold stage, ms", "memory, MiB"], rows)
    return out


def ratios(measured):
    """orgo's processor time as a multiple of each peer's."""
    peers = [tool for tool in measured.tools if not tool.startswith("orgo")]
    rows = []
    for cell in measured.cells:
        for phase in PHASES[1:]:
            found = [measured.ratio(cell, phase, peer) for peer in peers]
            if any(found):
                rows.append([cell[0], count(cell[1]), phase] + [f"{r:.2f}" if r else "–" for r in found])
    return lines(["shape", "stages", "phase"] + [f"orgo ÷ {peer}" for peer in peers], rows)


def judged(name, cell, value, must, reach, unit):
    """A row of the bars: `must` and `reach` are the most that is allowed."""
    if value is None:
        return []
    verdict = "reached" if reach is not None and value <= reach else "holds" if value <= must else "**missed**"
    told = lambda bar: "" if bar is None else f"≤ {bar:g}"
    return [[name, cell[0], count(cell[1]), told(must), told(reach), f"{value:,.2f} {unit}".strip(), verdict]]


def bars(measured):
    """What design asks for, and what is reached."""
    rows = []
    for cell in measured.cells:
        for phase in FLAT:
            rows += judged(f"{phase} ÷ ninja", cell, measured.ratio(cell, phase, "ninja"), 1.5, 1.0, "")
        rows += judged(
            "one leaf changed ÷ ninja", cell, measured.ratio(cell, "one leaf changed", "ninja"), 1.0, None, ""
        )
        rows += judged("cold at `open` ÷ make", cell, measured.ratio(cell, "cold", "make"), 1.5, 1.1, "")
        base = measured.stage(cell, "orgo", "cold")
        for level, must, reach in [("confined", 0.5, None), ("hermetic", 0.8, 0.4)]:
            more = measured.stage(cell, f"orgo {level}", "cold")
            if base and more:
                rows += judged(f"a stage at `{level}`, more than at `open`", cell, more - base, must, reach, "ms")
        rows += judged("restore, a stage", cell, measured.stage(cell, "orgo", "restore"), 0.2, 0.1, "ms")
        worst = max((r for r in (measured.ratio(cell, "restore", peer) for peer in PUT_BACK) if r), default=None)
        rows += judged("restore ÷ the best peer that puts files back", cell, worst, 0.1, None, "")
    rows += memory(measured)
    rows.sort(key=lambda row: row[0])
    return lines(["bar (CPU)", "shape", "stages", "must", "reach", "measured", ""], rows)


def memory(measured):
    """Bytes a planned stage: how the memory of a plan grows from one size to the next."""
    rows = []
    for phase in ["first plan", "warm plan"]:
        for one, two in zip(measured.cells, measured.cells[1:]):
            small, large = (measured.value(cell, "orgo", phase, "memory") for cell in (one, two))
            if one[0] == two[0] and small and large:
                rows += judged(
                    f"bytes a stage, {phase}", two, (large - small) * 1024 / (two[1] - one[1]), 300, None, "B"
                )
    return rows


def others(measured):
    """Start-up, the record, the store."""
    extra = list(measured.extra.items())
    starts = [[key[3], ms(row["cpu"]), ms(row["wall"])] for key, row in extra if key[0] == "start-up"]
    out = lines(["`--version` of", "CPU, ms", "wall, ms"], starts)
    stores = [
        [key[1], count(key[2]), f"{row['files'] / key[2]:.1f}"]
        + [f"{row[what] / key[2]:,.0f}" for what in ["bytes", "allocated", "state", "runs"]]
        for key, row in extra
        if key[0] == "store"
    ]
    names = ["files", "bytes", "bytes on disk", "bytes of `state`", "bytes of `runs`"]
    out += lines(["a cold run leaves, a stage", "stages", *names], stores)
    for key, row in extra:
        if key[0] == "record":
            with_it, without = row["recorded"], row["without"]
            out.append(
                f"A run of one stage takes {ms(with_it['cpu'])} / {ms(with_it['wall'])} ms with its record and"
                f" {ms(without['cpu'])} / {ms(without['wall'])} ms where there is no git to put one in: looking at the"
                f" repository, the record, its signature and the commit cost {ms(with_it['cpu'] - without['cpu'])} ms"
                f" of CPU, and the ledger grows by {row['ledger_bytes']:,.0f} bytes (medians of {row['turns']})."
            )
    return out


def told(measured):
    facts = measured.told
    if "machine" not in facts:
        return []
    load = [", ".join(map(str, facts[name])) for name in ("load", "load_after") if name in facts]
    out = [f"{facts['machine']}; {facts['words']}; load at the beginning and the end {' and '.join(load)}."]
    out.append(" ".join(f"{name}: {version}." for name, version in facts["versions"].items()))
    if facts["missing"]:
        out.append("Not installed, so not measured: " + ", ".join(facts["missing"]) + ".")
    return out + [""]


def write(rows):
    """All tables."""
    measured = Measured(rows)
    parts = [told(measured), bars(measured), ratios(measured), others(measured), [""], figures(measured)]
    return "\n".join(line for part in parts for line in part)


def main():
    texts = [Path(name).read_text(encoding="utf-8") for name in sys.argv[1:]]
    print(write([json.loads(line) for text in texts for line in text.splitlines()]))


if __name__ == "__main__":
    main()
