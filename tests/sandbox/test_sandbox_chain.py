"""Which layer is chosen, and what is said where one cannot be used."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wornpath.core import SandboxUnavailable
from wornpath.sandbox import BubblewrapSandbox, LandlockSandbox, chain, default_sandbox


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What was found out about the machine is forgotten before and after."""
    caches = (chain._bubblewrap_missing, chain._owner_can_be_mapped)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


needs_landlock = pytest.mark.skipif(LandlockSandbox().missing() is not None, reason=str(LandlockSandbox().missing()))
needs_bubblewrap = pytest.mark.skipif(
    BubblewrapSandbox().missing() is not None, reason=str(BubblewrapSandbox().missing())
)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that everybody can reach; root's way into bubblewrap covers the temporary folder."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@needs_landlock
async def test_a_bubblewrap_that_does_not_work_is_passed_over(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in containers that forbid user namespaces."""
    broken = elsewhere / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    (tmp_path / "w").mkdir()
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    assert "No permissions to create new namespace" in (BubblewrapSandbox().missing() or "")
    assert default_sandbox().name == "landlock"
    result = await default_sandbox().run(["sh", "-c", "echo made > f; cat f"], workspace=tmp_path / "w")
    assert result.stdout == "made\n"
    monkeypatch.setenv("WORNPATH_CONFINEMENT", "bubblewrap")
    with pytest.raises(SandboxUnavailable, match="No permissions"):
        await default_sandbox().run(["touch", "ran"], workspace=tmp_path / "w")
    assert not (tmp_path / "w" / "ran").exists()


@needs_landlock
def test_without_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "_program", lambda: "")
    assert "is not installed" in (BubblewrapSandbox().missing() or "")
    assert default_sandbox().name == "landlock"


@needs_bubblewrap
async def test_bubblewrap_comes_first_and_never_runs_as_root(tmp_path: Path) -> None:
    assert default_sandbox().name == "bubblewrap"
    command = "id -u; echo x > f; mkdir d; touch d/g; chmod 600 f; mv f d/f; rm d/g"
    result = await default_sandbox().run(["sh", "-c", command], workspace=tmp_path)
    assert result.stderr == "" and int(result.stdout) != 0
    info = (tmp_path / "d/f").stat()
    assert (info.st_uid, info.st_gid, info.st_mode & 0o777) == (tmp_path.stat().st_uid, tmp_path.stat().st_gid, 0o600)
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["f"]


@needs_bubblewrap
@needs_landlock
@pytest.mark.skipif(os.geteuid() != 0, reason="only root's workspace needs its owner mapped")
async def test_where_owners_cannot_be_mapped_landlock_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "_owner_can_be_mapped", lambda workspace, device: False)
    sandbox = BubblewrapSandbox()
    assert sandbox.confinement(tmp_path).bubblewrap == ""
    result = await sandbox.run(["sh", "-c", "id -u; echo made > f; cat f; cat /etc/passwd"], workspace=tmp_path)
    assert result.stdout == "0\nmade\n" and "denied" in result.stderr
    monkeypatch.undo()
    chain._owner_can_be_mapped.cache_clear()
    assert sandbox.confinement(tmp_path).bubblewrap


@needs_bubblewrap
@pytest.mark.skipif(os.geteuid() != 0, reason="changes owners")
async def test_root_works_in_the_folder_of_another(tmp_path: Path) -> None:
    """A folder mounted into a container belongs to somebody else: what is made there is theirs."""
    os.chown(tmp_path, 4321, 4322)
    result = await BubblewrapSandbox().run(["sh", "-c", "echo made > f; ls -ld f"], workspace=tmp_path)
    assert result.stderr == ""
    assert ((tmp_path / "f").stat().st_uid, (tmp_path / "f").stat().st_gid) == (4321, 4322)
