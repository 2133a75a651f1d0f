"""Secrets never reach the output file, however they are split; everything else does, unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nodes.agent.runner.shim import frames
from nodes.agent.runner.shim.output import Output
from nodes.agent.runner.shim.rate import RateLimit
from nodes.core.secrets import Redactor, hide, hide_in_argv, hide_in_command, is_secret_name, secret_values

ENVIRONMENT = {
    "DEPLOY_TOKEN": "canary-5f3a99",
    "db_password": "hunter2hunter2",
    "SHORT_SECRET": "abc",
    "PATH": "/usr/bin/somewhere",
    "TWO_LINES_API_KEY": "first-line-0001\nsecond-line-02",
}
FORMATS = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1_B" * 8,
    "sk-ant-api03-" + "x9Y_" * 10,
    "sk-proj-" + "q" * 40,
    "xoxb-1234567890-abcdefghij",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123",
]


def put(
    tmp_path: Path, *writes: bytes, gap: float = 0.0, patterns: Sequence[str] = (), values: Sequence[str] = ()
) -> list[bytes]:
    """The output file's text after these writes to stdout, `gap` seconds apart."""
    path = tmp_path / "output.bin"
    rate = RateLimit(lines_per_second=1e9, bytes_per_second=1e12, burst_seconds=1, now=0)
    output = Output(
        str(path), rate=rate, size_limit_bytes=1 << 30, idle_flush_seconds=0.2,
        redactor=Redactor(secret_values(ENVIRONMENT, values), patterns),
    )  # fmt: skip
    now = 1.0
    for data in writes:
        output.take(frames.STDOUT, data, now=now, at_ms=0)
        now += gap
        output.tick(now=now, at_ms=0)
    output.close(now=now, at_ms=0)
    found, _ = frames.unpack(path.read_bytes(), max_frames=10_000)
    return [frame[4] for frame in found]


@pytest.mark.parametrize("secret", ["canary-5f3a99", "hunter2hunter2", "first-line-0001", "second-line-02", *FORMATS])
@pytest.mark.parametrize("gap", [0.0, 0.5], ids=["at once", "slower than a prompt is shown"])
def test_canary_byte_by_byte(tmp_path: Path, secret: str, gap: float) -> None:
    text = f"the key is {secret} and more\nnext\n".encode()
    written = put(tmp_path, *[text[i : i + 1] for i in range(len(text))], gap=gap)
    assert b"[redacted]" in b"".join(written)
    assert secret.encode() not in b"".join(written)
    assert b"".join(written).replace(b"[redacted]", b"") == b"the key is  and morenext"


@pytest.mark.parametrize("secret", ["canary-5f3a99", *FORMATS])
def test_every_split_in_two_writes(tmp_path: Path, secret: str) -> None:
    text = f"key={secret};\n".encode()
    for cut in range(1, len(text)):
        (tmp_path / "output.bin").unlink(missing_ok=True)
        assert b"".join(put(tmp_path, text[:cut], text[cut:], gap=1.0)) == b"key=[redacted];"


def test_only_the_secret_part_is_redacted(tmp_path: Path) -> None:
    text = (
        b"Authorization: Bearer abcdefgh.1234\nclone https://ann:pa55word@git.example/x\nhttps://host:8080/path\n"
        b"/usr/bin/somewhere abc task-1234567890123456789 disk-usage ghp_short mail ann@example.org\n"
    )
    assert put(tmp_path, text) == [
        b"Authorization: Bearer [redacted]",
        b"clone https://ann:[redacted]@git.example/x",
        b"https://host:8080/path",
        b"/usr/bin/somewhere abc task-1234567890123456789 disk-usage ghp_short mail ann@example.org",
    ]


def test_key_block_over_several_lines(tmp_path: Path) -> None:
    block = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"MIIEabc123\n" * 3 + b"-----END RSA PRIVATE KEY----- done\nafter\n"
    assert put(tmp_path, b"x " + block) == [b"x [redacted]", *[b"[redacted]"] * 3, b"[redacted] done", b"after"]


def test_key_block_without_end_does_not_hide_the_whole_log(tmp_path: Path) -> None:
    lines = put(tmp_path, b"-----BEGIN PRIVATE KEY-----\n" + b"words\n" * 300)
    assert lines.count(b"words") == 100


def test_public_parts_are_kept(tmp_path: Path) -> None:
    text = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    assert put(tmp_path, text) == text.split(b"\n")[:3]


def test_long_lines(tmp_path: Path) -> None:
    cap = frames.LINE_CAP_BYTES
    straddling = b"a" * (cap - 8) + b" canary-5f3a99 b\n"
    (line,) = put(tmp_path, straddling)
    assert line == b"a" * (cap - 8) + b" [redact"
    (tmp_path / "output.bin").unlink()
    many = b"canary-5f3a99" * 1000
    (line,) = put(tmp_path, many + b"\n")
    assert b"canary" not in line


def test_prompt_is_shown_at_once(tmp_path: Path) -> None:
    assert put(tmp_path, b"Password: ", b"\n", gap=0.3) == [b"Password: "]


def test_progress_messages_too(tmp_path: Path) -> None:
    assert put(tmp_path, b"::agentflow progress=0.5 message=canary-5f3a99::\n") == [
        b"::agentflow progress=0.5 message=[redacted]::"
    ]


def test_commands_and_names() -> None:
    assert hide_in_command("deploy --password hunter99 --token=abcdef x", {}) == (
        "deploy --password [redacted] --token=[redacted] x"
    )
    argv = ["curl", "-u", "x", "--api-key", "it's mine", "--password=canary-5f3a99", "--token", "-v"]
    assert hide_in_argv(argv, {}) == [*argv[:4], "[redacted]", "--password=[redacted]", "--token", "-v"]
    assert hide("a canary-5f3a99\nb", ENVIRONMENT) == "a [redacted]\nb"
    assert is_secret_name("GITHUB_TOKEN")
    assert is_secret_name("x_apikey")
    assert not is_secret_name("HOME")


def test_ordinary_output_is_not_searched_line_by_line() -> None:
    """The lines are returned unchanged after one check of all of them; the benchmark measures its cost."""
    ordinary = [
        b"2026-01-01 12:00:00 INFO step 7 of the build took 12.5 ms",
        b"get https://example.org/a_file.tar.gz (1.2 MB)",
        b"mail ann@example.org",
        b"step 1234567890123456789 of snake_case \xe7\xbc\x96\xe8\xaf\x91",
    ]
    for lines in ([(text, 0)] for text in ordinary):
        assert Redactor(secret_values(ENVIRONMENT)).lines(1, lines) is lines
    redactor = Redactor(secret_values(ENVIRONMENT))
    long = [(ordinary[0], 0)] * 2000
    assert redactor.lines(1, long) is long
    assert redactor.lines(1, [*long, (b"canary-5f3a99", 0)])[-1] == (b"[redacted]", 0)


@pytest.mark.parametrize("text", ["DB_PASS=hunter2x", "密码：hunter2x", "curl -u ann:hunter2x h", "Bearer hunter2x.y"])
@pytest.mark.parametrize("gap", [0.0, 0.5], ids=["at once", "slower than a prompt is shown"])
def test_secret_behind_a_name_byte_by_byte(tmp_path: Path, text: str, gap: float) -> None:
    """The name may be on screen before the secret arrives: it is still what introduces it."""
    data = f"{text} and more\nnext\n".encode()

    written = put(tmp_path, *[data[i : i + 1] for i in range(len(data))], gap=gap)

    assert b"[redacted]" in b"".join(written)
    assert not any(part in b"".join(written) for part in (b"hunt", b"er2"))
    assert b"".join(written).endswith(b"next")


def test_an_answer_after_a_prompt(tmp_path: Path) -> None:
    assert put(tmp_path, b"Password: ", b"hunter2\n", gap=0.5) == [b"Password: ", b"[redacted]"]
    (tmp_path / "output.bin").unlink()
    assert put(tmp_path, b"Password: ", b"\n", b"hunter2\n", gap=0.5) == [b"Password: ", b"hunter2"]


def test_a_project_s_own_patterns_and_values(tmp_path: Path) -> None:
    own = {"patterns": ["WS-[0-9]{4}", "badge ([a-z]+)!", "编号[0-9]+"], "values": ["blue monkey"]}

    text = "key WS-1234, badge abc!, 编号77, the blue monkey\n".encode()

    assert put(tmp_path, text, **own) == [b"key [redacted], badge [redacted]!, [redacted], the [redacted]"]
    (tmp_path / "output.bin").unlink()
    split = put(tmp_path, *[text[i : i + 1] for i in range(len(text))], gap=0.5, **own)
    assert b"".join(split) == b"key [redacted], badge [redacted]!, [redacted], the [redacted]"


def test_what_would_take_too_long_is_withheld_and_counted() -> None:
    spent = iter([0.0, 0.01, 0.02, *[1.0] * 9])  # Processor time: up after the first line.
    redactor = Redactor([b"canary-5f3a99"], clock=lambda: next(spent))

    hidden = redactor.lines(1, [(b"canary-5f3a99 a", 0), (b"b", 0), (b"c", 7), (b"canary-5f3a99 d", 0)])

    assert hidden == [(b"[redacted] a", 0), (b"[withheld]", 0), (b"[withheld]", 7), (b"[withheld]", 0)]
    assert (redactor.redacted, redactor.withheld) == (1, 3)


def test_a_line_full_of_secrets_is_withheld() -> None:
    redactor = Redactor([b"canary-5f3a99"])

    assert redactor.lines(1, [(b"canary-5f3a99 " * 1000, 0), (b"b", 0)]) == [(b"[withheld]", 0), (b"b", 0)]
    assert redactor.withheld == 1


def test_a_withheld_line_may_begin_a_key_block() -> None:
    redactor = Redactor([b"canary-5f3a99"])
    lines = [(b"canary-5f3a99 " * 1000 + b"-----BEGIN PRIVATE KEY-----", 0), (b"MIIE", 0)]

    assert redactor.lines(1, lines) == [(b"[withheld]", 0), (b"[redacted]", 0)]


def test_many_and_long_values_are_searched_in_the_time_allowed() -> None:
    """A service account's key may be one line of 100 KB: its start is not compared byte by byte."""
    redactor = Redactor([b"a" * 100_000 + b"b"], clock=lambda: 0.0)
    text = b"a" * 16_000

    assert redactor.held_from(text) == 0
    assert redactor.held_from(text + b"c") == 64  # More than necessary is held, rather than compared further.
