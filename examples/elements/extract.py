#!/usr/bin/env python3
"""Extract the two published element tables of this example, and check what is committed.

    extract.py write   read the installed packages, write data/*.csv and data/registry.jsonl
    extract.py check   check the committed files without any package (standard library only)
    extract.py same    extract again in memory and compare byte for byte with the committed files

`write` and `same` need exactly mendeleev 1.3.0 and periodictable 2.1.0, as listed in data/SOURCES.md.

Cells are what the package's public interface returns, never rounded or reformatted: a string as it is, a number as
Python's `repr` gives it (for a float the shortest decimal that reads back to the same double), None as an empty cell.
So 8.2e-05, 0.0013080000000000001 and 98.0 are the published values, digit noise included.
"""

import csv
import hashlib
import io
import json
import re
import sys
from decimal import Decimal
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
VERSIONS = {"mendeleev": "1.3.0", "periodictable": "2.1.0"}

# Two values of one element conflict when |a - b| > tolerance * min(a, b), in exact decimals.
TOLERANCE = {"atomic-mass": Decimal("0.0001"), "density": Decimal("0.02")}
COLUMNS = {"atomic-mass": ("atomic_weight", "mass"), "density": ("density", "density")}
EXPECTED = {
    "atomic-mass": "Tc Pm Rf Db Sg Bh Hs Mt Rg Mc".split(),
    "density": "H He N O F Ne Cl Ar K Kr Sr Tc Ru Xe Ba Am Bk".split(),
}

# Local numbers. Wikidata gives out Q numbers upwards from 1 (about 1.4e8 so far) and P numbers (about 1.4e4); these
# ranges lie far above both, so a local id can never be mistaken for one of Wikidata's.
ELEMENT, UNIT, PROPERTY = 4_000_000_000, 4_000_001_000, 9_000_000
UNITS = [("dalton", "dalton", "Da"), ("gram-per-cubic-centimetre", "gram per cubic centimetre", "g/cm3")]
PROPERTIES = [
    # key, label, datatype, unit, aliases
    ("symbol", "symbol", "string", None, []),
    ("atomic-number", "atomic number", "quantity", None, ["proton number"]),
    ("name", "name", "string", None, []),
    ("atomic-mass", "atomic mass", "quantity", 1, ["atomic weight", "relative atomic mass"]),
    ("density", "density", "quantity", 2, []),
    ("group", "group", "quantity", None, []),
    ("period", "period", "quantity", None, []),
    ("block", "block", "string", None, []),
    ("series", "series", "string", None, []),
    ("radioactive", "radioactive", "string", None, []),
    ("cas-number", "CAS number", "string", None, []),
    ("discovery-year", "discovery year", "quantity", None, []),
    ("density-caveat", "density caveat", "string", None, []),
    ("phase", "phase", "string", None, ["state of matter"]),
]
# Spellings that are in use beside the one that mendeleev publishes.
ALIASES = {"Al": ["aluminum"], "Cs": ["cesium"], "S": ["sulphur"], "W": ["wolfram"]}


def cell(value):
    """The text of one published value; see the head of this file."""
    if value is None:
        return ""
    return value if isinstance(value, str) else repr(value)


def table(header, rows):
    """CSV bytes: UTF-8, LF, quotes only where a cell needs them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def extract():
    """Every generated file as {name: bytes}, from the installed packages."""
    for package, version in VERSIONS.items():
        if metadata.version(package) != version:
            sys.exit(f"{package} {metadata.version(package)} is installed, {version} is needed")
    import mendeleev
    import periodictable

    ours = [mendeleev.element(number) for number in range(1, 119)]
    theirs = [periodictable.elements[number] for number in range(1, 119)]
    return {
        "mendeleev.csv": table(
            "symbol number name atomic_weight density group period block series radioactive cas discovery_year".split(),
            [
                (e.symbol, e.atomic_number, e.name, e.atomic_weight, e.density, e.group_id, e.period, e.block, e.series,
                 e.is_radioactive, e.cas, e.discovery_year)
                for e in ours
            ],
        ),
        "periodictable.csv": table(
            "symbol number name mass density density_caveat".split(),
            [(e.symbol, e.number, e.name, e.mass, e.density, e.density_caveat) for e in theirs],
        ),
        "registry.jsonl": registry([(e.atomic_number, e.symbol, e.name) for e in ours]),
    }


def registry(elements):
    """The local registry: one JSON object a line, members sorted, lines sorted by id."""
    lines = []
    for index, (key, label, datatype, unit, aliases) in enumerate(PROPERTIES, 1):
        entry = {"aliases": aliases, "datatype": datatype, "id": f"P{PROPERTY + index}", "keys": {"name": key},
                 "kind": "property", "label": {"en": label}}
        if unit is not None:
            entry["unit"] = f"Q{UNIT + unit}"
        lines.append(entry)
    for number, symbol, name in elements:
        lines.append({"aliases": ALIASES.get(symbol, []), "id": f"Q{ELEMENT + number}",
                      "keys": {"number": str(number), "symbol": symbol}, "kind": "item", "label": {"en": name}})
    for index, (key, label, alias) in enumerate(UNITS, 1):
        lines.append({"aliases": [alias], "id": f"Q{UNIT + index}", "keys": {"name": key}, "kind": "unit",
                      "label": {"en": label}})
    assert [e["id"] for e in lines] == sorted({e["id"] for e in lines}), "ids are distinct and sorted"
    return "".join(
        json.dumps(e, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n" for e in lines
    ).encode()


def rows(name):
    """The committed CSV as dictionaries."""
    with open(DATA / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def conflicts():
    """{property: [(symbol, mendeleev's cell, periodictable's cell, caveat)]} in order of atomic number."""
    found = {key: [] for key in TOLERANCE}
    for a, b in zip(rows("mendeleev.csv"), rows("periodictable.csv"), strict=True):
        if (a["symbol"], a["number"]) != (b["symbol"], b["number"]):
            sys.exit(f"rows out of step at {a['symbol']}")
        for key, (left, right) in COLUMNS.items():
            if a[left] and b[right]:
                x, y = Decimal(a[left]), Decimal(b[right])
                if abs(x - y) > TOLERANCE[key] * min(x, y):
                    found[key].append((a["symbol"], a[left], b[right], b["density_caveat"]))
    return found


def decisions(key):
    """The decision lines of one property: [(verb, {argument: value})]."""
    parsed = []
    for line in (HERE / "decisions" / f"{key}.kdl").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("//"):
            verb, rest = line.split(" ", 1)
            parsed.append((verb, dict(re.findall(r'([a-z]+)="([^"]*)"', rest))))
    return parsed


def check():
    """Digests, the two lists of conflicts, and one decision for each conflict with both values as published."""
    problems = []
    listed = dict(re.findall(r"`([a-z]+\.(?:csv|jsonl))`[^\n]*`([0-9a-f]{64})`", (DATA / "SOURCES.md").read_text()))
    for name in ("mendeleev.csv", "periodictable.csv", "registry.jsonl"):
        digest = hashlib.sha256((DATA / name).read_bytes()).hexdigest()
        if listed.get(name) != digest:
            problems.append(f"data/{name} has sha256 {digest}, SOURCES.md says {listed.get(name)}")
    for key, found in conflicts().items():
        print(f"{key}: {len(found)} conflicts beyond {TOLERANCE[key] * 100} %")
        for symbol, a, b, caveat in found:
            note = f"  ({caveat})" if key == "density" and caveat else ""
            print(f"  {symbol:<2}  mendeleev {a:<22} periodictable {b}{note}")
        if [symbol for symbol, *_ in found] != EXPECTED[key]:
            problems.append(f"{key}: the conflicts are not the expected {len(EXPECTED[key])}")
        lines = decisions(key)
        subjects = [args["subject"] for _, args in lines]
        if subjects != sorted(s for s, *_ in found):
            problems.append(f"decisions/{key}.kdl does not hold one sorted line for each conflict")
        seen = {symbol: {"mendeleev": a, "periodictable": b} for symbol, a, b, _ in found}
        for verb, args in lines:
            values = seen.get(args["subject"], {})
            other = {"mendeleev": "periodictable", "periodictable": "mendeleev"}[args["source"]]
            if args["property"] != key or (args["value"], args["against"]) != (
                values.get(args["source"]), values.get(other)):
                problems.append(f"decisions/{key}.kdl: {args['subject']} does not quote both values as published")
            if verb not in ("prefer", "qualify") or not args["reason"] or not args["by"]:
                problems.append(f"decisions/{key}.kdl: {args['subject']} lacks a verb, a reason or an author")
    return problems


def same():
    """Differences between a fresh extraction and the committed files."""
    return [f"data/{name} differs from what the packages give" for name, data in extract().items()
            if (DATA / name).read_bytes() != data]


def main():
    mode = sys.argv[1] if len(sys.argv) == 2 else ""
    if mode == "write":
        for name, data in extract().items():
            (DATA / name).write_bytes(data)
            print(f"{hashlib.sha256(data).hexdigest()}  data/{name}")
        return
    if mode not in ("check", "same"):
        sys.exit(__doc__)
    problems = check() if mode == "check" else same()
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
