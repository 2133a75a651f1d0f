"""`python -m agentflow_site.healthcheck`: the image's HEALTHCHECK. Loads no Django.

Asks `/readyz` of the Leader that runs on the data folder. The same image runs agents, which have no web server: without
a Leader there is nothing to ask.
"""

from __future__ import annotations

import os
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

from agentflow_site.leader_lock import probed_url

_SECONDS = 4.0


def main(data_dir: Path) -> int:
    """0 = ready, or no Leader with pages; 1 with the reason on standard error."""
    url = probed_url(data_dir)
    if not url:
        return 0
    # This machine's own Leader, whose certificate is for its public name.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        urllib.request.urlopen(f"{url}/readyz", timeout=_SECONDS, context=context).close()  # noqa: S310 - our own URL
    except urllib.error.HTTPError as exc:
        reason = exc.read(200).decode(errors="replace").strip()
    except OSError as exc:
        reason = str(exc)
    else:
        return 0
    sys.stderr.write(f"{reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(os.environ.get("AGENTFLOW_DATA_DIR", "/data"))))
