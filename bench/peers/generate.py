#!/usr/bin/env python3
"""Declare one graph (graph.py) for one tool.

    generate.py SHAPE N DIR --tool orgo|ninja|make|nix|turbo|dvc --mk PATH [--isolation open|confined|hermetic]

Every stage is one call of mk with the same inputs in the same order, so all tools must end with the same bytes.
samurai and n2 read what ninja reads.
"""

import argparse
import json
import shutil
from pathlib import Path

from graph import PER_FOLDER, SHAPES, ends, graph, leaf, leaf_text, target


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def leaves(stages, root, path=leaf):
    for stage, ups in enumerate(stages):
        if not ups:
            write(root / path(stage), leaf_text(stage))


def sources(stages, stage):
    return [target(up) for up in stages[stage]] or [leaf(stage)]


def folders(stages, root):
    """The folders of the targets: mk makes none, and ninja alone would."""
    for first in range(0, len(stages), PER_FOLDER):
        (root / target(first)).parent.mkdir(parents=True, exist_ok=True)


def ninja(stages, root, mk):
    leaves(stages, root)
    folders(stages, root)
    text = [f"rule mk\n  command = {mk} $out $in\n"]
    text += [f"build {target(s)}: mk {' '.join(sources(stages, s))}\n" for s in range(len(stages))]
    write(root / "build.ninja", "".join(text))


def make(stages, root, mk):
    leaves(stages, root)
    folders(stages, root)
    text = ["all: " + " ".join(target(s) for s in ends(stages)) + "\n"]
    text += [f"{target(s)}: {' '.join(sources(stages, s))}\n\t{mk} $@ $^\n" for s in range(len(stages))]
    write(root / "Makefile", "".join(text))


def dvc(stages, root, mk):
    leaves(stages, root)
    folders(stages, root)
    text = ["stages:\n"]
    for stage in range(len(stages)):
        reads = sources(stages, stage)
        text.append(f"  s{stage}:\n    cmd: {mk} {target(stage)} {' '.join(reads)}\n    deps:\n")
        text += [f"    - {path}\n" for path in reads]
        text.append(f"    outs:\n    - {target(stage)}\n")
    write(root / "dvc.yaml", "".join(text))


def nix(stages, root, mk):
    """One derivation a stage, and one that names all ends: their paths go to it by a file, an argument list would burst."""
    leaves(stages, root)
    shutil.copy(mk, root / "mk")
    text = [
        "let d = name: inputs: derivation {\n",
        "  inherit name; system = builtins.currentSystem; builder = ./mk;\n",
        '  args = [ (builtins.placeholder "out") ] ++ inputs; };\nin rec {\n',
    ]
    for stage, ups in enumerate(stages):
        reads = " ".join(f"s{up}" for up in ups) or f"./{leaf(stage)}"
        text.append(f's{stage} = d "s{stage}" [ {reads} ];\n')
    text.append(
        'all = derivation { name = "all"; system = builtins.currentSystem; builder = ./mk;\n'
        '  args = [ (builtins.placeholder "out") ]; passAsFile = [ "ends" ];\n'
        f"  ends = [ {' '.join(f's{s}' for s in ends(stages))} ]; }};\n}}\n"
    )
    write(root / "default.nix", "".join(text))


def package(stage):
    """The folder of a stage that is a package of its own, as turbo wants it."""
    return f"pk/{stage // PER_FOLDER}/s{stage}"


def turbo(stages, root, mk):
    """One package a stage. build.sh is what the stand-in for npm runs; the script beside it is for the real one."""
    leaves(stages, root, lambda stage: f"{package(stage)}/in.txt")
    lock = {"": {"name": "bench", "workspaces": ["pk/*/*"]}}
    for stage, ups in enumerate(stages):
        reads = " ".join(f"../../../{package(up)}/made" for up in ups) or "in.txt"
        here = {"name": f"s{stage}", "version": "1.0.0", "dependencies": {f"s{up}": "1.0.0" for up in ups}}
        script = f"exec {mk} made {reads}"
        write(root / package(stage) / "package.json", json.dumps({**here, "scripts": {"build": script}}))
        write(root / package(stage) / "build.sh", script + "\n")
        lock[f"node_modules/s{stage}"] = {"resolved": package(stage), "link": True}
        lock[package(stage)] = here
    outer = {"name": "bench", "private": True, "workspaces": ["pk/*/*"], "packageManager": "npm@11.0.0"}
    write(root / "package.json", json.dumps(outer))
    write(root / "package-lock.json", json.dumps({**lock[""], "lockfileVersion": 3, "packages": lock}))
    task = {"dependsOn": ["^build"], "inputs": ["in.txt"], "outputs": ["made"]}
    write(root / "turbo.json", json.dumps({"tasks": {"build": task}}))
    write(root / ".gitignore", "made\n.turbo\nnode_modules\n")


def orgo(stages, root, mk, shape, isolation):
    """One pipeline. Upstream outputs appear at in/<stage>/out, leaf files at their path in the repository."""
    leaves(stages, root)
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


PEERS = {"ninja": ninja, "make": make, "nix": nix, "turbo": turbo, "dvc": dvc}


def generate(tool, shape, size, root, mk, isolation="open"):
    """Write leaves and declaration for `tool` below `root`; returns the graph."""
    stages = graph(shape, size)
    root.mkdir(parents=True, exist_ok=True)
    if tool == "orgo":
        orgo(stages, root, mk, shape, isolation)
    else:
        PEERS[tool](stages, root, mk)
    return stages


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("size", type=int)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--tool", choices=["orgo", *PEERS], default="orgo")
    parser.add_argument("--mk", type=Path, required=True, help="the built mk")
    parser.add_argument("--isolation", choices=["open", "confined", "hermetic"], default="open")
    args = parser.parse_args()
    generate(args.tool, args.shape, args.size, args.dir, args.mk.resolve(), args.isolation)


if __name__ == "__main__":
    main()
