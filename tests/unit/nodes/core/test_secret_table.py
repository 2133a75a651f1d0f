"""Every row of the table finds what it is for, leaves its neighbours alone, and takes linear time."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Callable

import pytest

from nodes.core.secret_arguments import PROGRAMS
from nodes.core.secret_table import FORMATS, INTRODUCTIONS
from nodes.core.secrets import Redactor, hide_in_argv, hide_in_command

ALPHABET = string.ascii_letters + string.digits


def key(size: int, alphabet: str = ALPHABET) -> str:
    """Not in one piece in this file: the examples must not look like leaked keys to scanners."""
    return "".join(random.Random(size).choices(alphabet, k=size))


HEX = "0123456789abcdef"
# Row → what it finds, and what looks like it.
EXAMPLES: dict[str, tuple[str, str]] = {
    "AWS key id": ("AKIA" + key(16, string.ascii_uppercase), "AKIA-REGION"),
    "AWS Bedrock": ("ABSK" + key(100), "ABSK or not"),
    "GitHub": ("ghp_" + key(36), "ghp_short"),
    "GitHub fine-grained": ("github_pat_" + key(60), "github_pat_x"),
    "GitLab": ("glpat-" + key(27) + ".01." + key(9), "glpat-short"),
    "GitLab registration": ("GR1348941" + key(20), "GR1348941"),
    "npm": ("npm_" + key(36), "npm_config_cache=/tmp npm_lifecycle_event"),
    "PyPI": ("pypi-AgEIcHlwaS5vcmc" + key(60), "pypi-Agent-name"),
    "Docker": ("dckr_pat_" + key(27), "dckr_pat_x"),
    "RubyGems": ("rubygems_" + key(48, HEX), "rubygems_version"),
    "Google API": ("AIza" + key(35), "AIzawa"),
    "Google Gemini": ("AQ.Ab" + key(40), "AQ.About"),
    "Google OAuth": ("ya29." + key(60), "ya29.x"),
    "Google client": ("GOCSPX-" + key(28), "GOCSPX-"),
    "Google refresh": ("1//0" + key(60), "1//0 is one"),
    "Azure client": (key(3) + "8Q~" + key(34), "abc8Q~short"),
    "Azure DevOps": (key(76) + "AZDO" + key(4), key(76)),
    "Azure service": (key(52) + "JQQJ99" + key(26), key(52)),
    "Stripe": ("sk_live_" + key(24), "sk_live_x"),
    "Slack": ("xoxb-" + key(12, string.digits) + "-" + key(24), "xoxo-hugs"),
    "Slack webhook": ("hooks.slack.com/services/T" + key(8) + "/B" + key(8) + "/" + key(24), "hooks.slack.com/docs"),
    "Discord": ("discord.com/api/webhooks/" + key(18, string.digits) + "/" + key(60), "discord.com/api/v10"),
    "Telegram": ("bot" + key(10, string.digits) + ":AA" + key(33), "1234567890:12"),
    "Anthropic, OpenAI": ("sk-ant-api03-" + key(40), "sk-estimator-doc-link-for-everyone"),
    "Hugging Face": ("hf_" + key(34), "hf_hub_download"),
    "xAI, Groq, Perplexity": ("gsk_" + key(52), "gsk_renderer_new"),
    "Databricks": ("dapi" + key(32, HEX), "dapi_client"),
    "DigitalOcean": ("dop_v1_" + key(64, HEX), "dop_v1_x"),
    "SendGrid": ("SG." + key(22) + "." + key(43), "SG.example.org"),
    "Twilio": ("SK" + key(32, HEX), "SKIPPED"),
    "HashiCorp Vault": ("hvs." + key(90), "hvs.go"),
    "Terraform": (key(14) + ".atlasv1." + key(60), "x.atlasv1.y"),
    "Shopify": ("shpat_" + key(32, HEX), "shpat_x"),
    "Atlassian": ("ATATT3" + key(180), "ATTEMPT"),
    "Grafana": ("glsa_" + key(32) + "_" + key(8, HEX), "glsa_x"),
    "Linear, Postman": ("lin_api_" + key(40), "lin_api_client"),
    "Alibaba": ("LTAI" + key(20), "LTAI"),
    "age": ("AGE-SECRET-KEY-1" + key(58, string.ascii_uppercase), "AGE-SECRET-KEY"),
    "JSON web token": ("eyJ" + key(20) + "." + key(30) + "." + key(30), "eyJson.parse"),
    "authorization header": ("Authorization: Basic dXNlcjpwYXNz", "Authorization: required"),
    "bearer": ("use Bearer abcdefgh.1234", 'WWW-Authenticate: Bearer realm="x"'),
    "cookie": ("Set-Cookie: sid=38afes7a8; HttpOnly", "cookie: accepted"),
    "password in a URL": ("clone https://ann:pa55@word@git.example/x", "see https://host:8080/path"),
    "signature in a URL": ("GET /blob?sv=1&sig=abcdef%2B0123456789", "GET /blob?sig=x"),
    "npmrc": ("//registry.example/:_auth=YWJjOmRlZg==", "_auth=none"),
    "netrc": ("machine h login bob password hunter2", "login to see the password again"),
    "element": ("<password>hunter2</password>", "<password></password>"),
    "option": ("deploy --db-pass hunter2 now", "  --password string   the password"),
    "name": ("DB_PASS=hunter2", "PWD=/home/ann/project"),
    "Chinese name": ("数据库密码：hunter2", "请输入密码："),
    "variable": ("GITHUB_TOKEN=abcdefgh", "MAX_TOKENS=100000"),
    "word": ("token: 8f3b2c9d1e7a", "SyntaxError: Unexpected token: punc (;)"),
    "docker auth": ('{"auth": "YWJjOmRlZg=="}', '{"auth": "optional"}'),
    "sentence": (
        "A temporary password is generated for root@localhost: hunter2",
        "the password is case-sensitive, 8-16 characters",
    ),
    "SQL": ("create user a identified by 'hunter2'", "a user is identified by name"),
}
SECRET_PARTS = (
    "dXNlcjpwYXNz",
    "abcdefgh",
    "38afes7a8",
    "pa55@word",
    "abcdef%2B",
    "YWJjOmRlZg",
    "hunter2",
    "8f3b2c9d1e7a",
)

PRINTED = """
AWS_SECRET_ACCESS_KEY=Q7z9/x1 | aws_secret_access_key = Q7z9/x1 | "SecretAccessKey": "Q7z9x1", | SMTP_PASS=Q7z9
MYSQL_PWD=Q7z91 | {"user":"bob","password":"Q7z9 horse"} | 'password': 'Q7z91', 'x': 1 | password=b'Q7z9'
{\\"password\\": \\"Q7z91\\"} | 口令=Q7z91 | 密钥是 Q7z91 | password: Q7z9 | Server=x;Uid=sa;Pwd=Q7z91; | api key: Q7z91
export DB_PASS=Q7 | curl -u admin:Q7z9 https://h | + curl -s --user 'admin:Q7 z9' h | curl -uadmin:Q7z9 h
API-Key: Q7z91 | password = 'Q7z91' | SET PASSWORD = 'Q7z91' | PASSWORD :Q7z91 | String password = "Q7z91";
deploy --password = 'Q7z91' | curl -su bob:Q7z9 h | curl -sSLubob:Q7z9 h | echo Q7z9 ¦ sudo -S ls | password => Q7z91
echo Q7z9 ¦ gh auth login --with-token | client-key-data: Q7z9Q7z9 | your new password is Q7z912
Password for user admin: Q7z912
mysql -uroot -pQ7z9 db | sshpass -p Q7z9 ssh h | docker login -u me -p Q7z9 reg | redis-cli -h h -a Q7z9 ping
echo Q7z9 | docker login --password-stdin | echo "Q7 z9" | sudo docker login --password-stdin reg | ldapsearch -w Q7z9
docker login --password-stdin <<< Q7z9 | echo root:Q7z9 | chpasswd | curl -b sid=Q7z9 h | unzip -P Q7z9 a.zip
curl -H "X-Api-Key: Q7z91" h | openssl enc -k Q7z9 -in x | openssl rsa -passin pass:Q7z9 | \x1b[1mpassword\x1b[0m=Q7z91
"""
CASES = [
    line.strip()
    for line in PRINTED.replace("Q7z9 | docker", "Q7z9 ¦ docker").replace('z9" | sudo', 'z9" ¦ sudo')
    .replace("Q7z9 | chpasswd", "Q7z9 ¦ chpasswd").replace("\n", " | ").split(" | ") if line.strip()
]  # fmt: skip


REDACTOR = Redactor()


def shown(line: str) -> str:
    """A line of output as the log has it."""
    return REDACTOR.lines(1, [(line.encode(), 0)])[0][0].decode()


def test_every_row_has_examples() -> None:
    assert list(EXAMPLES) == [*FORMATS, *INTRODUCTIONS]


@pytest.mark.parametrize("row", EXAMPLES)
def test_row(row: str) -> None:
    secret, other = EXAMPLES[row]

    assert "[redacted]" in shown(f"see {secret} there")
    assert not any(part in shown(f"see {secret} there") for part in (*SECRET_PARTS, secret))
    assert shown(f"see {other}") == f"see {other}"
    if row in FORMATS:
        assert secret not in shown(f"\x1b[32m{secret}\x1b[0m")


@pytest.mark.parametrize("line", CASES)
def test_what_people_print(line: str) -> None:
    line = line.replace("¦", "|")

    for text in (shown(line), hide_in_command(line, {})):
        assert "[redacted]" in text
        assert "Q7" not in text
        assert "z9" not in text


@pytest.mark.parametrize("line", ["mysql -p mydb", "curl -u $USER:$PASS h", "docker run -p 80:80 -u 1000:1000 nginx"])
def test_commands_without_a_secret(line: str) -> None:
    assert hide_in_command(line, {}) == line


def test_argument_lists() -> None:
    assert hide_in_argv(["curl", "-u", "ann:x", "-b", "a=b"], {}) == [
        "curl",
        "-u",
        "ann:[redacted]",
        "-b",
        "a=[redacted]",
    ]
    assert hide_in_argv(["mysql", "-px", "db"], {}) == ["mysql", "-p[redacted]", "db"]
    assert hide_in_argv(["sh", "-c", "sshpass -p x ssh h"], {}) == ["sh", "-c", "sshpass -p [redacted] ssh h"]


# --- false alarms ---------------------------------------------------------------------------------

ORDINARY = """
token_parser.c:{n}:5: warning: unused variable 'token' [-Wunused-variable]
src/lexer.c:{n}:12: error: expected identifier before ';' token
   {n} |   token = lexer_next(&lexer);
  accessToken: string;
    def login(user: str, password: str) -> None:
        client = Client(user=user, password=password)
[{n}/900] Building CXX object src/CMakeFiles/auth.dir/secret_store.cpp.o
tests/test_tokens.py::test_token[secret-{n}] PASSED [ 12%]
E       AssertionError: assert 'token' == 'tokens'
E       KeyError: 'password'
FAILED tests/test_auth.py::test_password_policy - assert {n} == 12
password policy: at least {n} characters
Password: must contain at least 8 characters
npm warn deprecated tokenizer@1.0.{n}: use token@2 instead
added {n} packages, and audited 900 packages in 12s
      "integrity": "sha512-{key86}==",
SyntaxError: Unexpected token: punc (;) at line {n}
10.0.0.{n} - - [01/Jan/2026:00:00:00 +0000] "GET /token/list?page={n} HTTP/1.1" 200 12 "-" "curl/8.0"
2026/01/01 00:00:00 [error] {n}#0: *1 connect() failed, upstream: "http://127.0.0.1:8080/"
[    0.{n}] random: crng init done
[    1.{n}] Key type asymmetric registered
systemd[1]: Started Dispatch Password Requests to Console Directory Watch.
sshd[{n}]: Failed password for root from 10.0.0.1 port 22 ssh2
max_tokens=5 eos_token_id=2 completion_tokens: {n}
step {n}: loss=0.125 tokens/s=9001 pad_token=0
# pass {n}
bypass=1 compass: north single-pass: yes
docker run -p 8080:80 -u 1000:1000 nginx:1.{n}
Pulling from library/postgres: sha256:{hex64}
commit {hex40}
  --token TOKEN        the token to use
usage: deploy [--password PASSWORD] [--secret SECRET]
fetch(url, {{credentials: 'include'}})
https://example.org:8443/build/{n}?ref=main
git@github.com:user/repo-{n}.git
INFO token bucket refilled: {n} tokens
WWW-Authenticate: Bearer realm="api"
secrets.py {n} lines, 3 secrets found
PWD=/home/ann/project-{n}
  + password                = (sensitive value)
GOOGLE_APPLICATION_CREDENTIALS=/secrets/key-{n}.json
private key: /etc/ssl/private/server-{n}.key
sshd[{n}]: Failed password for root from 10.0.0.1 port {n} ssh2
password is {n} characters too long
echo step {n} | sudo tee /etc/motd
""".strip("\n").split("\n")


@pytest.mark.slow
def test_ordinary_lines_are_left_alone() -> None:
    """At most 10 of 10,000: a log full of false alarms is as useless as one with secrets."""
    chance = random.Random(1)
    lines = [
        chance.choice(ORDINARY).format(
            n=number, key86="".join(chance.choices(ALPHABET + "+/", k=86)),
            hex64="".join(chance.choices(HEX, k=64)), hex40="".join(chance.choices(HEX, k=40)),
        )
        for number in range(10_000)
    ]  # fmt: skip

    touched = [line for line in lines if shown(line) != line]

    assert len(touched) <= 10, touched[:20]


# --- time -----------------------------------------------------------------------------------------

SIZE = 16 * 1024
PLAIN = (b"2026-01-01 12:00:00 INFO step 7 of the build took 12.5 ms; " * 300)[:SIZE]
HOSTILE = {
    **{f"{row}, cut": secret.encode()[: max(3, len(secret.encode()) - 6)] for row, (secret, _) in EXAMPLES.items()},
    **{f"{row}, start": secret.encode()[:5] for row, (secret, _) in EXAMPLES.items()},
    **{f"{row}, other": other.encode() + b" " for row, (_, other) in EXAMPLES.items()},
    **{f"program {name.decode()}": name + b" -p " for name in PROGRAMS[:6]},
    "tokens": b"eyJ-", "key block": b"-----BEGIN ", "quotes": b"password=\"", "escapes": b"\\\"", "urls": b"://a:",
    "known value": b"canary-", "echoes": b"echo x | ", "here": b"<<< --password-stdin ", "zeros": b"\0",
    "one word": b"a",
}  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    """Of processor time; the least of several, because other programs only add to it."""
    found = []
    for _ in range(3):
        start = time.thread_time()
        work()
        found.append(time.thread_time() - start)
    return min(found)


def search(line: bytes) -> Callable[[], object]:
    redactor = Redactor([b"canary-canary-canary!"], ["own[a-z]+[0-9]", "a+b"], clock=lambda: 0.0)

    def work() -> None:
        redactor.lines(1, [(line, 0)])
        redactor.held_from(line)
        redactor.hide(line.decode("utf-8", "replace"), is_command=True)

    return work


@pytest.mark.slow
def test_time_is_linear_for_every_pattern() -> None:
    plain = seconds(search(PLAIN))
    slow = {}
    for name, piece in HOSTILE.items():
        line = (piece * (SIZE // len(piece) + 1))[:SIZE]
        full = seconds(search(line))
        # A place that may be a secret costs a search of its own; their number is bounded.
        ratio, growth = full / plain, 0.0
        if ratio > 5:
            growth = full / seconds(search(line[: SIZE // 2]))
        if ratio > 100 or growth > 6:
            slow[name] = (round(ratio, 1), round(growth, 1))

    assert not slow
