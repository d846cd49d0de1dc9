"""Asks the registry about the program; ends with 75 if nobody answers, which is worth another attempt."""

import sys
import urllib.request

port, program = sys.argv[1:]
assert open(program).read().startswith("#!/bin/sh"), "no program"
try:
    answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/hello", timeout=5).read()
except OSError as error:
    print(error)
    sys.exit(75)
open("answer", "wb").write(answer + b"\n")
