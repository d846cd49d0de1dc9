#!/usr/bin/env python3
"""Write one synthetic pipeline for one runner.

    generate.py SHAPE N DIR --tool orgo|ninja|make --mk PATH [--isolation open|confined|hermetic]

SHAPE
    layered  ten layers of N/10 stages; stage w of a layer reads two or three outputs of the layer before, all within
             its own block of ten, so one changed leaf reaches at most ten stages of a layer
    chain    stage i reads the output of stage i - 1
    wide     every stage reads a leaf file of its own

A stage without upstream reads the leaf file in/<i div 1000>/<i>.txt. Every stage runs mk (mk.c): the same command, the
same inputs in the same order for every runner, so the outputs must be the same bytes.
"""

import argparse
from pathlib import Path

PER_FOLDER = 1000  # files in one folder; more would measure the file system
LAYERS = 10
BLOCK = 10


def graph(shape, size):
    """The stages as a list: for each its upstream stages in ascending order, empty for one that reads a leaf."""
    if shape == "wide":
        return [[] for _ in range(size)]
    if shape == "chain":
        return [[stage - 1] if stage else [] for stage in range(size)]
    if shape != "layered":
        raise SystemExit(f"no shape `{shape}`")
    if size % (LAYERS * BLOCK):
        raise SystemExit(f"a layered graph needs a multiple of {LAYERS * BLOCK} stages, not {size}")
    width = size // LAYERS
    stages = [[] for _ in range(width)]
    for layer in range(1, LAYERS):
        below = (layer - 1) * width
        for place in range(width):
            block, offset = place - place % BLOCK, place % BLOCK
            reads = {offset, (offset + 1) % BLOCK}
            if offset % 2:
                reads.add((offset + 3) % BLOCK)
            stages.append([below + block + near for near in sorted(reads)])
    return stages


def leaf(stage):
    return f"in/{stage // PER_FOLDER}/{stage}.txt"


def target(stage):
    return f"made/{stage // PER_FOLDER}/{stage}"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def sources(stages, stage):
    return [target(up) for up in stages[stage]] or [leaf(stage)]


def folders(stages, root):
    """ninja makes the folders of its targets; make does not."""
    for first in range(0, len(stages), PER_FOLDER):
        (root / target(first)).parent.mkdir(parents=True, exist_ok=True)


def ninja(stages, root, mk):
    folders(stages, root)
    text = [f"rule mk\n  command = {mk} $out $in\n"]
    text += [f"build {target(s)}: mk {' '.join(sources(stages, s))}\n" for s in range(len(stages))]
    write(root / "build.ninja", "".join(text))


def make(stages, root, mk):
    folders(stages, root)
    inner = {up for ups in stages for up in ups}
    text = ["all: " + " ".join(target(s) for s in range(len(stages)) if s not in inner) + "\n"]
    text += [f"{target(s)}: {' '.join(sources(stages, s))}\n\t{mk} $@ $^\n" for s in range(len(stages))]
    write(root / "Makefile", "".join(text))


def orgo(stages, root, mk, shape, isolation):
    """One pipeline. Upstream outputs appear at in/<stage>/out, leaf files at their path in the repository."""
    text = [f'pipeline "{shape}" {{\n']
    for stage, ups in enumerate(stages):
        if ups:
            reads = " ".join(f'"s{up}"' for up in ups)
            inputs, argv = f"from {reads}", " ".join(f'"in/s{up}/out"' for up in ups)
        else:
            inputs, argv = f'files "{leaf(stage)}"', f'"{leaf(stage)}"'
        text.append(
            f'    stage "s{stage}" {{ {inputs}; run "{mk}" "out" {argv}; out "out"; isolation "{isolation}" }}\n'
        )
    text.append("}\n")
    write(root / "pipelines" / f"{shape}.kdl", "".join(text))
    write(root / "orgo.kdl", 'project "bench" { tenant "example"; ledger "orgo/audit" }\n')
    write(root / ".gitignore", "/out/\n/.orgo/\n")


def generate(tool, shape, size, root, mk, isolation="open"):
    """Write leaves and declaration for `tool` below `root`; returns the graph."""
    stages = graph(shape, size)
    for stage, ups in enumerate(stages):
        if not ups:
            write(root / leaf(stage), f"leaf {stage}\n")
    if tool == "orgo":
        orgo(stages, root, mk, shape, isolation)
    else:
        {"ninja": ninja, "make": make}[tool](stages, root, mk)
    return stages


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=["layered", "chain", "wide"])
    parser.add_argument("size", type=int)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--tool", choices=["orgo", "ninja", "make"], default="orgo")
    parser.add_argument("--mk", type=Path, required=True, help="the built mk")
    parser.add_argument("--isolation", choices=["open", "confined", "hermetic"], default="open")
    args = parser.parse_args()
    generate(args.tool, args.shape, args.size, args.dir, args.mk.resolve(), args.isolation)


if __name__ == "__main__":
    main()
