"""The agent over HTTP: a live page, a REST interface, one stream of events, and two protocols that other programs speak.

`create_app` makes the application, `serve` runs it. Needs the extra `web`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wornpath.serve.app import create_app
    from wornpath.serve.running import serve
    from wornpath.serve.service import Service

_HOMES = {"Service": "service", "create_app": "app", "serve": "running"}
__all__ = ["Service", "create_app", "serve"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wornpath.serve' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"wornpath.serve.{_HOMES[name]}"), name)
