"""What a program inside is not given: variables and descriptors of the host. Attacks are in tests/redteam."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest
from outside import LAYERS

from wornpath.sandbox import Sandbox, UnsandboxedSandbox

ALL = pytest.mark.parametrize("sandbox", [*LAYERS, pytest.param(UnsandboxedSandbox(), id="none")])


@ALL
async def test_no_secret_of_the_environment_gets_in(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even without confinement: the program's environment is built anew."""
    token = secrets.token_hex(8)
    monkeypatch.setenv("WORNPATH_TEST_SECRET", token)
    code = "import os; print(dict(os.environ)); print(open('/proc/self/environ').read())"
    result = await sandbox.run(["python", "-c", code], workspace=tmp_path)
    assert "TMPDIR" in result.stdout
    assert token not in result.stdout + result.stderr


@ALL
async def test_no_descriptor_gets_in(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    fd = os.open(tmp_path / "secret", os.O_RDONLY)
    os.set_inheritable(fd, True)
    code = "import os; print([f for f in range(3, 255) if os.path.exists(f'/proc/self/fd/{f}')])"
    try:
        result = await sandbox.run(["python", "-c", code], workspace=tmp_path)
    finally:
        os.close(fd)
    assert result.stdout == "[]\n"
