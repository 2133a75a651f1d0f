"""A deployment that asks a person before it continues."""

from __future__ import annotations

import sys
import time

print("3 services differ from production")
answer = input("Deploy to production? [y/N] ").strip().lower()
if answer not in ("y", "yes"):
    sys.exit("not deployed")
for service in ("gateway", "orders", "mailer"):
    print(f"deploying {service} …")
    time.sleep(1)
print("deployed")
