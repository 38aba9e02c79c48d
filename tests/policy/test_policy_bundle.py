"""A version as one file: there and back, and everything else refused with nothing added."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from version_world import policy

from wornpath.core import UsageError
from wornpath.policy import bundle
from wornpath.policy.registry import Registry


@pytest.fixture
def made(tmp_path: Path) -> tuple[Registry, Path]:
    registry = Registry(tmp_path / "policies")
    registry.add(policy(5), {"algorithm": "dqn", "episodes": 3, "metrics": {"loss": 0.1}}, why="")
    file = tmp_path / "v1.zip"
    assert bundle.export(registry, "v1", file) == file.stat().st_size
    return registry, file


def test_there_and_back(made: tuple[Registry, Path], tmp_path: Path) -> None:
    registry, file = made
    other = Registry(tmp_path / "elsewhere")
    info = bundle.take_in(other, file)
    assert (info.version, info.status, info.imported, info.algorithm, info.episodes) == (
        "v1",
        "candidate",
        True,
        "dqn",
        3,
    )
    assert "v1.zip" in info.why
    ours, theirs = registry.learnt("v1").network.weights, other.learnt("v1").network.weights
    assert all((ours[k] == theirs[k]).all() for k in ours)
    again = tmp_path / "again.zip"
    bundle.export(registry, "v1", again)
    assert again.read_bytes() == file.read_bytes()


def test_an_existing_file_is_kept_unless_forced(made: tuple[Registry, Path]) -> None:
    registry, file = made
    before = file.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        bundle.export(registry, "v1", file)
    assert file.read_bytes() == before
    bundle.export(registry, "v1", file, force=True)
    with pytest.raises(UsageError, match="could not be written"):
        bundle.export(registry, "v1", file.parent / "no" / "such" / "v1.zip")
    with pytest.raises(UsageError, match="no policy version"):
        bundle.export(registry, "v7", file.parent / "b.zip")
    assert not (file.parent / "b.zip").exists()


def rewritten(change: Callable[[dict[str, bytes]], None]) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        with zipfile.ZipFile(file) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
        change(contents)
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in contents.items():
                archive.writestr(name, data)

    return apply


def manifest(**more: object) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        contents["manifest.json"] = json.dumps({**json.loads(contents["manifest.json"]), **more}).encode()

    return change


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: f.write_bytes(f.read_bytes()[:-30]), "truncated"),
        (lambda f: f.write_bytes(f.read_bytes()[:100]), "truncated"),
        (lambda f: f.write_bytes(b""), "not an exported"),
        (lambda f: f.write_bytes(b"hello"), "not an exported"),
        (lambda f: f.unlink(), "cannot be read"),
        (rewritten(lambda c: c.pop("manifest.json")), "not an exported"),
        (rewritten(lambda c: c.pop("policy.json")), "truncated or was changed"),
        (rewritten(lambda c: c.update({"../evil": b"x"})), "truncated or was changed"),
        (rewritten(lambda c: c.update({"policy.json": c["policy.json"] + b" "})), "truncated or was changed"),
        (rewritten(manifest(format="other")), "not an exported"),
        (rewritten(manifest(format_version=8)), "another release"),
        (rewritten(manifest(files=3)), "truncated or was changed"),
        (rewritten(lambda c: c.update({"manifest.json": b"{"})), "truncated or was changed"),
    ],
)
def test_foreign_and_damaged_files_are_refused(
    made: tuple[Registry, Path], damage: Callable[[Path], None], said: str
) -> None:
    registry, file = made
    damage(file)
    with pytest.raises(UsageError, match=said):
        bundle.take_in(registry, file)
    assert [v.version for v in registry.versions()] == ["v1"]


def test_a_policy_for_other_features_is_refused(made: tuple[Registry, Path]) -> None:
    registry, file = made

    def change(contents: dict[str, bytes]) -> None:
        meta = json.loads(contents["policy.json"])
        meta["features"] = "0" * 16
        contents["policy.json"] = json.dumps(meta).encode()
        listed = json.loads(contents["manifest.json"])
        listed["files"]["policy.json"] = {"sha256": bundle._sha(contents["policy.json"]), "bytes": 0}
        contents["manifest.json"] = json.dumps(listed).encode()

    rewritten(change)(file)
    with pytest.raises(UsageError, match=r"v1\.zip .* other features"):
        bundle.take_in(registry, file)
    assert len(registry.versions()) == 1


@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_single_changed_byte_gets_through_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, place: float, flip: int
) -> None:
    folder = tmp_path_factory.mktemp("b")
    registry, file = Registry(folder / "policies"), folder / "v.zip"
    made = policy(1)
    registry.add(made, {}, why="")
    bundle.export(registry, "v1", file)
    raw = bytearray(file.read_bytes())
    raw[int(place * len(raw))] ^= flip
    file.write_bytes(bytes(raw))
    try:
        info = bundle.take_in(registry, file)
    except UsageError:
        assert [v.version for v in registry.versions()] == ["v1"]
        return
    back = registry.learnt(info.version)  # a byte that means nothing, such as a zip's time stamp
    assert all((back.network.weights[k] == made.network.weights[k]).all() for k in made.network.weights)
