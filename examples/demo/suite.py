"""A test suite: forty cases, one of which fails."""

from __future__ import annotations

import sys
import time

for case in range(1, 41):
    if case == 33:
        print("\x1b[31mFAILED\x1b[0m test_upload_retries: expected 3 attempts, got 2", file=sys.stderr)
    else:
        print(f"\x1b[32mPASSED\x1b[0m test_case_{case}")
    print(f"::agentflow progress={case / 40:.3f}::")
    time.sleep(0.2)
print("ERROR: 1 failed, 39 passed")
sys.exit(1)
