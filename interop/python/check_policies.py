"""Decides again, with cedarpy, what orgo decided about policies and facts.

    check_policies.py CASES [LEAST]

CASES comes from `orgo dev policy-cases`; LEAST is how many cases there must be, 500 unless told. Ours may refuse more
than Cedar does, never less: no permission where Cedar denies or a policy fails. Where no policy fails and the set is
valid and not empty, both say the same, for the same policies. Exit codes: 0 all of it holds, 1 refused, 2 usage.
"""

import json
import sys
from collections import Counter

import cedarpy


def by(reasons):
    """cedarpy counts policies; ours are called p0, p1 and so on, in the same order."""
    return sorted("p" + reason.removeprefix("policy") for reason in reasons)


def judge(case, schema):
    """What is wrong with a case; nothing if it holds."""
    policies, ours = case["policies"], case["ours"]
    result = cedarpy.is_authorized(case["request"], policies, [], schema=schema)
    allows = result.decision == cedarpy.Decision.Allow
    failed = bool(result.diagnostics.errors)
    valid = cedarpy.validate_policies(policies, schema).validation_passed
    if ours == "allow" and (failed or not allows or not valid):
        return "we permit what Cedar does not"
    if ours == "invalid":
        return "we refuse a valid set" if valid else None
    if not valid:
        return "we evaluate a set that is not valid"
    if not policies:
        return None if ours == "error" and not allows else "an empty set does not refuse"
    if failed:
        return None if ours == "error" else "we do not notice a policy that fails"
    if ours != ("allow" if allows else "deny"):
        return "we say otherwise"
    if case["by"] != by(result.diagnostics.reasons):
        return f"other policies decided: {case['by']}, {result.diagnostics.reasons}"
    return None


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as lines:
        schema = json.loads(next(lines))["schema"]
        cases = [json.loads(line) for line in lines]
    least = int(sys.argv[2]) if len(sys.argv) == 3 else 500
    if len(cases) < least:
        print(f"check_policies: {len(cases)} cases, {least} are due", file=sys.stderr)
        return 1
    said, trapped = Counter(), 0
    for number, case in enumerate(cases):
        wrong = judge(case, schema)
        if wrong:
            print(f"check_policies: case {number}: {wrong}\n{json.dumps(case, indent=2)}", file=sys.stderr)
            return 1
        said[case["ours"]] += 1
        if case["ours"] in ("error", "invalid"):
            plain = cedarpy.is_authorized(case["request"], case["policies"], [])
            trapped += plain.decision == cedarpy.Decision.Allow
    if min(said[word] for word in ("allow", "deny", "error", "invalid")) == 0 or not trapped:
        print(f"check_policies: the cases do not show every answer: {dict(said)}", file=sys.stderr)
        return 1
    shown = ", ".join(f"{count} {word}" for word, count in sorted(said.items()))
    print(f"decided again by cedarpy: {len(cases)} cases ({shown}); {trapped} that Cedar allows are refused")
    return 0


sys.exit(main())
