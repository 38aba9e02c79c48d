"""Where code that a model wrote runs. The names below are imported at first use (the supervisor passes through here at every start)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wornpath.sandbox.chain import BubblewrapSandbox, LandlockSandbox, UnsandboxedSandbox, default_sandbox
    from wornpath.sandbox.protocol import CellResult, Kernel, ProcessResult, Sandbox, SandboxLimits

_HOMES = {
    "BubblewrapSandbox": "chain",
    "CellResult": "protocol",
    "Kernel": "protocol",
    "LandlockSandbox": "chain",
    "ProcessResult": "protocol",
    "Sandbox": "protocol",
    "SandboxLimits": "protocol",
    "UnsandboxedSandbox": "chain",
    "default_sandbox": "chain",
}
__all__ = [
    "BubblewrapSandbox",
    "CellResult",
    "Kernel",
    "LandlockSandbox",
    "ProcessResult",
    "Sandbox",
    "SandboxLimits",
    "UnsandboxedSandbox",
    "default_sandbox",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wornpath.sandbox' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"wornpath.sandbox.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
