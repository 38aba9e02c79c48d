"""Who may come in, and what is said to those who send what cannot be."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest
from serve_world import World

from wornpath.core import UsageError
from wornpath.serve import running
from wornpath.serve.service import Settings


def problem(answer: httpx2.Response, status: int) -> str:
    """The detail of a refusal, which must be one that people can act on."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"]) == ("about:blank", status) and body["title"]
    assert body["error"]["message"] == body["detail"]
    assert body["detail"].endswith(".") and len(body["detail"]) > 20
    return str(body["detail"])


def bare(world: World, **more: Any) -> httpx2.Client:
    """A client without the token."""
    return httpx2.Client(base_url=world.base, trust_env=False, timeout=30, **more)


def test_the_token_in_each_of_its_places(world: World) -> None:
    with bare(world) as http:
        assert "needs the server's token" in problem(http.get("/api/v1/info"), 401)
        assert http.get("/api/v1/info").headers["www-authenticate"] == "Bearer"
        for wrong in ("x", "é", "a" * 4096):
            problem(http.get("/api/v1/info", params={"token": wrong}), 401)
            problem(http.get(f"/t/{wrong}/api/v1/info"), 401)
        problem(http.get("/api/v1/info", headers={"authorization": "Basic eDp5"}), 401)
        problem(http.post("/v1/chat/completions", json={"messages": []}), 401)
        problem(http.get("/static/none.js"), 401)
        for good in (
            {"headers": {"authorization": f"Bearer {world.token}"}},
            {"params": {"token": world.token}},
        ):
            assert http.get("/api/v1/info", **good).status_code == 200  # type: ignore[arg-type]
        assert http.get(f"/t/{world.token}/api/v1/info").status_code == 200
        assert http.get(f"/t/{world.token}/v1/models").json()["data"][0]["id"] == "wornpath"
        slash = http.get(f"/t/{world.token}")
        assert (slash.status_code, slash.headers["location"]) == (307, f"/t/{world.token}/")


def test_the_page_s_cookie(world: World) -> None:
    with bare(world) as http:
        first = http.get("/", params={"token": world.token})
        cookie = first.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        name, _, value = cookie.partition(";")[0].partition("=")
        assert http.get("/api/v1/info", headers={"cookie": f"{name}={value}"}).status_code == 200
        problem(http.get("/api/v1/info", headers={"cookie": f"{name}=x"}), 401)
        assert "set-cookie" not in http.get("/api/v1/info", params={"token": world.token}).headers


def test_every_answer_is_dressed(world: World) -> None:
    for path, more in (("/api/v1/info", {}), ("/nothing", {}), ("/api/v1/info", {"headers": {"authorization": ""}})):
        headers = world.http.get(path, **more).headers  # type: ignore[arg-type]
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers and "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[", ""])
def test_a_foreign_host_is_refused(world: World, host: str) -> None:
    assert "does not answer to the name" in problem(world.http.get("/api/v1/info", headers={"host": host}), 421)


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "[::1]:9"])
def test_names_of_this_machine_are_ours(world: World, host: str) -> None:
    assert world.http.get("/api/v1/info", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_site_s_page_changes_nothing(world: World, headers: dict[str, str]) -> None:
    for method, path in (("POST", "/api/v1/runs"), ("DELETE", "/api/v1/runs/x"), ("POST", "/v1/chat/completions")):
        problem(world.http.request(method, path, headers=headers, json={"goal": "write a.txt"}), 403)
    assert world.get("/runs")["runs"] == []
    own = {"origin": world.base, "sec-fetch-site": "same-origin"}
    assert world.http.post("/api/v1/runs", json={"goal": "write a.txt"}, headers=own).status_code == 201
    preflight = world.http.options("/api/v1/runs", headers={**headers, "access-control-request-method": "POST"})
    assert preflight.status_code == 405 and "access-control-allow-origin" not in preflight.headers


def test_no_token_is_for_this_machine_only(tmp_path: Path) -> None:
    with World(tmp_path, token=None) as world, bare(world) as http:
        assert http.get("/api/v1/info").status_code == 200
        problem(http.get("/api/v1/info", headers={"host": "evil.example"}), 421)
    address = running.bind("0.0.0.0", 0)
    with pytest.raises(UsageError, match="this machine only"):
        running.access_for(address, None)
    access = running.access_for(address, "t" * 20, ("Agent.Example",))
    address.socket.close()
    assert access.any_address and "agent.example" in access.hosts


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "not valid JSON"),
        (b"{", 400, "line 1, column 2"),
        (b"\xff\xfe", 400, "not valid JSON"),
        (b"[" * 200_000, 400, "not valid JSON"),
        (b"[]", 400, "no object"),
        (b"{}", 422, "goal is missing"),
        (b'{"goal": "  "}', 422, "goal"),
        (b'{"goal": 5}', 422, "goal"),
        (b'{"goal": "x", "goals": 1}', 422, "no field goals"),
        (b'{"goal": "x", "max_steps": 0}', 422, "max_steps"),
        (b'{"goal": "x", "max_cost": 1e999}', 422, "max_cost"),
        (b'{"goal": "x", "checks": ["ok", ""]}', 422, "checks.1"),
        (b'{"goal": "x", "approve": "always"}', 422, "approve"),
        (b'{"goal": "x", "workspace": "../up"}', 403, "is not in"),
        (b'{"goal": "x", "workspace": "/etc"}', 403, "is not in"),
        (b'{"goal": "x", "workspace": ""}', 400, "workspace"),
        (json.dumps({"goal": "x" * 100_001}).encode(), 422, "goal"),
        (json.dumps({"goal": "x" * (1 << 20)}).encode(), 413, "at most 1 MiB"),
    ],
)
def test_bodies_that_do_not_fit(world: World, body: bytes, status: int, says: str) -> None:
    answer = world.http.post("/api/v1/runs", content=body, headers={"content-type": "application/json"})
    assert says in problem(answer, status)
    assert world.get("/runs")["runs"] == []


def test_unknown_things(world: World) -> None:
    for method, path in (
        ("GET", "/nothing"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/api/v1/runs/none"),
        ("GET", "/api/v1/runs/none/events"),
        ("GET", "/api/v1/events?run=none"),
        ("POST", "/api/v1/runs/none/cancel"),
        ("DELETE", "/api/v1/runs/none"),
        ("GET", "/api/v1/runs/none/why/1"),
        ("DELETE", "/api/v1/schedules/none"),
        ("DELETE", "/api/v1/notes/none"),
        ("POST", "/api/v1/policies/none/promote"),
        ("GET", "/api/v1/policies/compare?run=x&a=none&b=prior"),
        ("GET", "/v1/models/none"),
        ("GET", "/ap/v1/agent/tasks/none"),
        ("POST", "/agent/tasks/none/steps"),
        ("GET", "/static/../app.py"),
        ("GET", "/static/%2e%2e/app.py"),
    ):
        problem(world.http.request(method, path), 404)
    problem(world.http.post("/api/v1/approvals/none", json={"answer": "allow"}), 404)
    problem(world.http.put("/api/v1/runs", json={}), 405)
    problem(world.http.get("/api/v1/runs?limit=0"), 400)
    problem(world.http.get("/api/v1/events?after=x"), 400)


def test_files_come_in_and_go_out(world: World) -> None:
    names = ("a.txt", "sub/b c.md", "图.svg", "page.html", "x.bin")
    files = [("files", (name, f"<b>{name}</b>".encode())) for name in names]
    made = world.http.post("/api/v1/runs", data={"request": '{"goal": "write z.txt"}'}, files=files)
    assert made.status_code == 201
    run = made.json()["run_id"]
    world.until(run, "unverified")
    listed = world.get(f"/runs/{run}/files")["entries"]
    assert [(e["name"], e["kind"]) for e in listed][:2] == [("sub", "folder"), ("a.txt", "file")]
    assert world.get(f"/runs/{run}/files", params={"path": "sub"})["entries"][0]["path"] == "sub/b c.md"
    types = {"a.txt": "text/plain", "sub/b c.md": "text/plain", "图.svg": "image/svg+xml", "page.html": "text/plain"}
    for name in names:
        answer = world.http.get(f"/api/v1/runs/{run}/artifacts/{name}", params={"inline": 1})
        assert answer.content == f"<b>{name}</b>".encode()
        shown = answer.headers["content-disposition"].startswith("inline")
        assert shown == (name in types) and answer.headers["content-type"].startswith(types.get(name, "application/"))
        assert answer.headers["content-security-policy"].startswith("sandbox;")
    plain = world.http.get(f"/api/v1/runs/{run}/artifacts/a.txt")
    assert plain.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("name", ["../up.txt", "a/../../up.txt", "/etc/up.txt", "..", ".", "~/up", "..\\up.txt"])
def test_uploads_stay_in_their_folder(world: World, name: str) -> None:
    form = {"request": (None, '{"goal": "x"}'), "files": (name, b"x")}
    problem(world.http.post("/api/v1/runs", files=form), 400)
    assert not list(world.folder.rglob("up*"))


@pytest.mark.parametrize(
    "path",
    [
        "..%2f..%2fhome%2fevents.sqlite3",
        "%2e%2e/%2e%2e/home/events.sqlite3",
        "%2fetc%2fpasswd",
        "sub/..%2f..%2f..%2fhome%2fevents.sqlite3",
        "link",
        "folder/passwd",
        "pipe",
        "sub",
        "missing.txt",
        "a%00b",
        "~",
    ],
)
def test_artefacts_come_from_the_workspace_alone(world: World, path: str) -> None:
    import os

    folder = world.folder / "workspaces" / "mine"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "folder").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    run = world.hand_in("write a.txt", workspace="mine")
    world.until(run, "unverified")
    answer = world.http.get(f"/api/v1/runs/{run}/artifacts/{path}")
    assert answer.status_code in (400, 403, 404) and "root:" not in answer.text
    problem(answer, answer.status_code)
    assert {e["name"] for e in world.get(f"/runs/{run}/files")["entries"]} == {"sub", "a.txt"}
    assert world.http.get(f"/api/v1/runs/{run}/files", params={"path": "folder"}).status_code in (403, 404)


def test_an_upload_that_is_too_large_is_refused_while_it_comes(tmp_path: Path) -> None:
    with World(tmp_path, settings=Settings(max_upload=100_000)) as world:
        form = {"request": (None, '{"goal": "x"}'), "files": ("big.bin", b"x" * 200_000)}
        assert "too large" in problem(world.http.post("/api/v1/runs", files=form), 413)
        boundary = b"--b\r\ncontent-disposition: form-data; name=f; filename=big\r\n\r\n"
        sent = 0

        def endless() -> Any:
            nonlocal sent
            yield boundary
            while sent < 1 << 30:
                sent += 65536
                yield bytes(65536)

        headers = {"content-type": "multipart/form-data; boundary=b"}
        try:
            answer = world.http.post("/api/v1/runs", content=endless(), headers=headers)
            problem(answer, 413)
        except (httpx2.WriteError, httpx2.ReadError, httpx2.RemoteProtocolError):
            pass  # it went on sending after the answer, until the server hung up
        assert sent < 1 << 28
        assert world.get("/runs")["runs"] == [] and not list((tmp_path / "workspaces").rglob("big*"))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"nothing of the kind"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="request"\r\n\r\n{\r\n--b--\r\n',
        ),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n"),
    ],
)
def test_forms_that_cannot_be_read(world: World, content_type: str, body: bytes) -> None:
    problem(world.http.post("/api/v1/runs", content=body, headers={"content-type": content_type}), 400)


def test_connections_that_drop(world: World) -> None:
    """Half a request, half a body, and a reader that leaves: the next one is served as ever."""
    host, port = world.base.removeprefix("http://").split(":")
    head = f"POST /api/v1/runs HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {world.token}\r\n"
    for data in (
        "GET / HT",
        head,
        f"{head}content-length: 100\r\n\r\n{{",
        f"{head}transfer-encoding: chunked\r\n\r\n5\r\n{{",
    ):
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(data.encode())
    reader = http.client.HTTPConnection(host, int(port))
    reader.request("GET", "/api/v1/events?after=0", headers={"authorization": f"Bearer {world.token}"})
    assert reader.getresponse().read(5) == b"retry"
    reader.close()
    run = world.hand_in("write a.txt")
    world.until(run, "unverified")


def test_the_token_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first = running.kept_token(tmp_path)
    assert running.kept_token(tmp_path) == first != running.kept_token(tmp_path, new=True)
    assert (tmp_path / "serve" / "token").stat().st_mode & 0o777 == 0o600


def test_one_server_a_store(tmp_path: Path) -> None:
    with running.only_server(tmp_path, "http://127.0.0.1:1"):
        with (
            pytest.raises(UsageError, match=r"running already at http://127\.0\.0\.1:1"),
            running.only_server(tmp_path, "x"),
        ):
            pass
        assert (running.info_of(tmp_path) or {})["url"] == "http://127.0.0.1:1"
    assert running.info_of(tmp_path) is None
    with running.only_server(tmp_path, "y"):
        pass
