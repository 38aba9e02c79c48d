"""The way out: named hosts through the proxy, and nothing past it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outside import LAYERS, layer

from wornpath.core import UsageError
from wornpath.sandbox import BubblewrapSandbox, Sandbox
from wornpath.sandbox.proxy import Proxy, Rule, _public

ALL = pytest.mark.parametrize("sandbox", [*LAYERS, layer(BubblewrapSandbox(with_landlock=False))])


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{self.path} for {self.headers['Host']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


PROGRAM = """
import http.client, os, socket, sys, urllib.request
port = int(sys.argv[1])
def attempt(work):
    try: print(work())
    except Exception as error: print(type(error).__name__, error)
def tunnel():
    c = http.client.HTTPConnection("127.0.0.1", int(os.environ["http_proxy"].rpartition(":")[2]))
    c.set_tunnel("127.0.0.1", port); c.request("GET", "/tunnel")
    return c.getresponse().read().decode()
get = lambda url: urllib.request.urlopen(url).read().decode()
attempt(lambda: get(f"http://127.0.0.1:{port}/a?b"))
attempt(tunnel)
attempt(lambda: get(f"http://127.0.0.1:{port + 1}/"))
attempt(lambda: get("http://localhost/"))
attempt(lambda: socket.create_connection(("127.0.0.1", port), 3))
attempt(lambda: socket.socket().sendto(b"x", 0x20000000, ("127.0.0.1", port)))
attempt(lambda: socket.socket().bind(("127.0.0.1", 0)))
for family, kind in ((2, 2), (2, 3), (1, 1), (10, 1), (16, 3), (40, 1)):
    attempt(lambda: socket.socket(family, kind))
"""


@ALL
async def test_named_hosts_can_be_reached_and_nothing_else(sandbox: Sandbox, tmp_path: Path, port: int) -> None:
    argv = ["python", "-c", PROGRAM, str(port)]
    result = await sandbox.run(argv, workspace=tmp_path, hosts=[f"127.0.0.1:{port}"])
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[:2] == [f"/a?b for 127.0.0.1:{port}", f"/tunnel for 127.0.0.1:{port}"]
    assert lines[2].startswith("HTTPError") and "403" in lines[2] and "403" in lines[3]
    assert len(lines) == 13 and all("Error" in line for line in lines[4:])
    assert "http_proxy" not in (await sandbox.run(["env"], workspace=tmp_path)).stdout
    without = (await sandbox.run(argv, workspace=tmp_path)).stdout.splitlines()
    assert len(without) == 13 and all("Error" in line for line in without)


@pytest.mark.parametrize("sandbox", LAYERS)
async def test_a_kernel_with_a_proxy(sandbox: Sandbox, tmp_path: Path, port: int) -> None:
    kernel = sandbox.kernel(workspace=tmp_path, hosts=[f"127.0.0.1:{port}"])
    code = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/k').read()[:2]"
    try:
        assert [(await kernel.run(code, timeout=30)).value for _ in range(2)] == ["b'/k'"] * 2
    finally:
        await kernel.close()


def test_a_name_that_leads_inside_is_refused(port: int) -> None:
    """What is listed by pattern only must be public: here everything below `localhost` leads to this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    proxy = Proxy(listener, [f"*.localhost:{port}", "*.1:80"])
    answers = []
    for target in (f"sub.localhost:{port}", "127.0.0.1:80", "169.254.169.254:80", "example.org:22"):
        with socket.create_connection(address) as client:
            client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            answers.append(client.makefile("rb").readline())
    proxy.close()
    assert answers == [b"HTTP/1.1 403 Forbidden\r\n"] * 4
    assert proxy.seen[-1] == ("example.org", 22, False)


def test_rules() -> None:
    assert Rule.parse("Example.org").fits("example.org", 443) and not Rule.parse("example.org").fits("example.org", 22)
    assert Rule.parse("example.org:22").fits("example.org", 22)
    below = Rule.parse("*.example.org")
    assert below.fits("a.b.example.org", 80)
    assert not below.fits("example.org", 80) and not below.fits("badexample.org", 80)
    assert Rule.parse("[::1]:8080").fits("::1", 8080)
    for wrong in ("", "http://example.org", "*", "a*.org", "exa mple.org", "example.org:0", "example.org:99999"):
        with pytest.raises(UsageError):
            Rule.parse(wrong)


def test_private_addresses() -> None:
    private = "127.0.0.1 10.1.2.3 192.168.1.1 169.254.169.254 0.0.0.0 ::1 fe80::1%eth0 fd00::1 ::ffff:127.0.0.1 100.64.0.1 224.0.0.1"
    assert not [address for address in private.split() if _public(address)]
    assert _public("93.184.216.34") and _public("2606:2800:220:1::1")


@given(st.binary(max_size=300))
def test_no_request_breaks_the_proxy(data: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = Proxy(listener, ["example.invalid"])
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(data + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").readline() in (b"HTTP/1.1 403 Forbidden\r\n", b"")
    proxy.close()
