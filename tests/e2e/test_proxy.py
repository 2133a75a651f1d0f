"""The page behind a real nginx with TLS on a port of its own, configured with the text of the guide."""

from __future__ import annotations

import asyncio
import contextlib
import http.cookiejar
import json
import re
import shutil
import sqlite3
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import websockets
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from websockets.asyncio.client import connect

from tests.support.certificates import Authority, Certificate
from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually_sync
from tests.support.first_site import first_site
from tests.support.processes import REPOSITORY, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PASSWORD = "correct horse battery"
GUIDE = REPOSITORY / "docs/how-to/behind-a-proxy.md"
# A client's own claim, which must not be believed.
CLAIMED = "203.0.113.66"

CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {servers}
}}
"""
SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate.cert};
        ssl_certificate_key {certificate.key};
        proxy_bind 127.0.0.5;
        {location}
    }}
"""


class Proxied:
    """Three ports of one nginx in front of one Leader."""

    def __init__(self, folder: Path, made: Cluster) -> None:
        self.cluster = made
        self.as_in_the_guide, self.without_port, self.without_port_but_trusted = free_port(), free_port(), free_port()
        authority = Authority(folder)
        self.context = ssl.create_default_context(cafile=str(authority.cert))
        self._start_leader()
        self._start_nginx(folder, authority.issue("proxy"))

    def _start_leader(self) -> None:
        made = self.cluster
        first_site().copy_to(made.data_dir)
        # Few iterations: the password is not what is tested.
        hashed = PBKDF2PasswordHasher().encode(PASSWORD, "salt", 1)
        with contextlib.closing(sqlite3.connect(made.database)) as database:
            database.execute("UPDATE auth_user SET password = ? WHERE username = 'admin'", (hashed,))
            database.commit()
        address, grpc = f"127.0.0.1:{made.http_port}", f"127.0.0.1:{made.grpc_port}"
        leader = made.add(
            "leader",
            [sys.executable, "manage.py", "leader", "--http", address, "--grpc", grpc],
            AGENTFLOW_BEHIND_HTTPS_PROXY="1",
            # The proxy's own address, so that the browser at 127.0.0.1 is none.
            AGENTFLOW_TRUSTED_PROXIES="127.0.0.5",
            AGENTFLOW_CSRF_TRUSTED_ORIGINS=self.origin(self.without_port_but_trusted),
        )
        leader.start().wait_for_log("the page on")

    def _start_nginx(self, folder: Path, certificate: Certificate) -> None:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        assert program, "nginx is not installed"
        location = re.search(r"```nginx\n(.*?)```", GUIDE.read_text(), re.DOTALL)[1]  # type: ignore[index]
        location = location.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{self.cluster.http_port}")
        dropping = location.replace("$http_host", "$host")
        assert dropping != location
        texts = {
            self.as_in_the_guide: location,
            self.without_port: dropping,
            self.without_port_but_trusted: dropping,
        }
        servers = [SERVER.format(port=port, certificate=certificate, location=text) for port, text in texts.items()]
        (folder / "nginx.conf").write_text(CONFIGURATION.format(servers="".join(servers)))
        argv = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx-errors.log")]
        self.cluster.add("nginx", argv).start()
        eventually_sync(self._answers, 20, "nginx answers")

    def _answers(self) -> bool:
        try:
            return Browser(self, self.as_in_the_guide).get("/login/")[0] == 200
        except OSError:
            return False

    def origin(self, port: int) -> str:
        return f"https://127.0.0.1:{port}"


class Browser:
    """Cookies, and the Origin that a browser sends."""

    def __init__(self, site: Proxied, port: int) -> None:
        self.site = site
        self.port = port
        self.origin = site.origin(port)
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=site.context), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def get(self, path: str) -> tuple[int, str]:
        return self._open(urllib.request.Request(self.origin + path, headers={"X-Forwarded-For": CLAIMED}))

    def log_in(self) -> tuple[int, str]:
        """The status and text of the page after the form."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get("/login/")[1])[1]  # type: ignore[index]
        form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token}
        headers = {"Origin": self.origin, "Referer": f"{self.origin}/login/"}
        return self._open(urllib.request.Request(f"{self.origin}/login/", urlencode(form).encode(), headers))

    def _open(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with self._opener.open(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    async def socket(self) -> str:
        """The type of the first message to a socket that this page opens."""
        status, body = await asyncio.to_thread(self.get, "/live-ticket")
        assert status == 200
        url = f"wss://127.0.0.1:{self.port}/ws/"
        async with connect(url, ssl=self.site.context, origin=websockets.Origin(self.origin)) as socket:
            await socket.send(json.dumps({"type": "AUTH", "token": json.loads(body)["ticket"]}))
            return str(json.loads(await socket.recv())["type"])


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    with cluster(tmp_path_factory.mktemp("proxied")) as made:
        yield Proxied(tmp_path_factory.mktemp("nginx"), made)


async def test_with_the_text_of_the_guide_forms_and_the_socket_work_on_any_port(proxied: Proxied) -> None:
    browser = Browser(proxied, proxied.as_in_the_guide)

    status, page = await asyncio.to_thread(browser.log_in)

    assert status == 200
    assert "app-shell" in page or "logout" in page
    assert await browser.socket() == "AUTH_OK"
    # The address that the proxy saw, whatever the client claims.
    log = proxied.cluster.processes["leader"].log()
    assert "WS /ws/ connected from=127.0.0.1" in log
    assert CLAIMED not in log
    assert "127.0.0.5" not in log
    assert "is ignored" not in log


def test_a_proxy_that_drops_the_port_is_explained(proxied: Proxied) -> None:
    browser = Browser(proxied, proxied.without_port)

    status, page = browser.log_in()

    assert status == 403
    assert f"opened this page at {browser.origin}," in page
    assert "reached the server as https://127.0.0.1." in page
    assert "AGENTFLOW_CSRF_TRUSTED_ORIGINS" in page


async def test_a_trusted_origin_holds_for_forms_and_for_the_socket(proxied: Proxied) -> None:
    browser = Browser(proxied, proxied.without_port_but_trusted)

    status, _ = await asyncio.to_thread(browser.log_in)

    assert status == 200
    assert await browser.socket() == "AUTH_OK"
