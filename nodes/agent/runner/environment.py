"""The part of the node's environment that tasks see: an allow-list, so that the node's tokens never reach a task."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.domain.commands import StartTask

_ALLOWED = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TERM",
        "TZ",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "JAVA_HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "GOPATH",
        "GOROOT",
        "NVM_DIR",
        "CUDA_HOME",
        "CUDA_VISIBLE_DEVICES",
    }
)
_ALLOWED_PREFIXES = ("LC_", "XDG_")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def identity_variables(start: StartTask) -> dict[str, str]:
    """What identifies the processes of an attempt, with the run id of its supervisor."""
    return {"AGENTFLOW_TASK_ID": start.task_id, "AGENTFLOW_ATTEMPT": str(start.attempt)}


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the agent's environment that its tasks may see."""
    kept = {name: value for name, value in environ.items() if name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES)}
    kept.setdefault("PATH", _DEFAULT_PATH)
    # A Python task's output should appear when it is written, not when a buffer is full.
    kept["PYTHONUNBUFFERED"] = "1"
    return kept
