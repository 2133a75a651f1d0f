"""A build that takes a while: a line and a progress report per module."""

from __future__ import annotations

import sys
import time

MODULES = 40
pace_seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5

for number in range(1, MODULES + 1):
    print(f"[{number:2}/{MODULES}] \x1b[32m✓\x1b[0m compiled module {number}")
    print(f"::agentflow progress={number / MODULES:.3f} message=module {number} of {MODULES}::")
    if number % 15 == 0:
        print(f"WARNING: module {number} uses a deprecated option", file=sys.stderr)
    time.sleep(pace_seconds)
print("build finished")
