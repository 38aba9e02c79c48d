"""A policy version as one file, to carry to another machine: a zip of the version's two files and a manifest of checksums.

It holds weights and counts (tools, roles, task families), no goals, file names or texts of runs."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

from wornpath.core import UsageError
from wornpath.policy import versions
from wornpath.policy.registry import Registry, VersionInfo

FORMAT, FORMAT_VERSION = "wornpath-policy-bundle", 1
MANIFEST = "manifest.json"
FILES = (versions.META, versions.ARRAYS)
MAX_BYTES = 256 << 20
"""Largest unpacked file that is read: no policy comes near it."""


def export(registry: Registry, version: str, file: Path, *, force: bool = False) -> int:
    """Write VERSION to FILE and return its size in bytes.

    Raises UsageError when FILE exists (unless FORCE) or cannot be written, or the version cannot be read."""
    if file.exists() and not force:
        raise UsageError(f"{file} exists already; give another name, or --force to replace it.")
    info = registry.info(version)
    registry.learnt(version)  # only what can be used again is worth carrying
    contents = {name: (registry.path(version) / name).read_bytes() for name in FILES}
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "version": info.version,
        "algorithm": info.algorithm,
        "episodes": info.episodes,
        "files": {name: {"sha256": _sha(data), "bytes": len(data)} for name, data in contents.items()},
    }
    part = file.with_name(f"{file.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in ((MANIFEST, json.dumps(manifest, indent=1).encode()), *contents.items()):
                archive.writestr(
                    zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED
                )  # no times: equal bytes for equal versions
        part.replace(file)
        return file.stat().st_size
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"{file} could not be written: {error.strerror}.") from None


def take_in(registry: Registry, file: Path) -> VersionInfo:
    """Add the version in FILE as a candidate. Raises UsageError, and adds nothing, when FILE is truncated, was changed,
    comes from another program, or was made for other features."""
    contents, manifest = _read(file)
    with tempfile.TemporaryDirectory(prefix="wornpath-import-") as folder:
        for name, data in contents.items():
            (Path(folder) / name).write_bytes(data)
        try:
            policy = versions.load(folder)
            kept = versions.read_meta(folder).get("info", {})
        except UsageError as error:
            raise UsageError(
                f"{file} holds a policy that cannot be used: {str(error).replace(folder, file.name)}"
            ) from None
    info = kept if isinstance(kept, dict) else {}
    why = f"imported from {file.name}, where it was {manifest.get('version', '?')}"
    return registry.add(policy, info, why=why, imported=True)


def _read(file: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a bundle that fit its manifest, and the manifest."""
    foreign = UsageError(f"{file} is not an exported Wornpath policy.")
    damaged = UsageError(f"{file} is truncated or was changed; export or copy it again.")
    try:
        with file.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            if MANIFEST not in names:
                raise foreign
            if sorted(names) != sorted((MANIFEST, *FILES)):
                raise damaged
            if any(archive.getinfo(name).file_size > MAX_BYTES for name in names):
                raise UsageError(f"{file} unpacks to more than {MAX_BYTES >> 20} MiB; no policy is that large.")
            manifest = json.loads(archive.read(MANIFEST))
            contents = {name: archive.read(name) for name in FILES}
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from None
    except zipfile.BadZipFile:
        raise damaged if _begins_like_zip(file) else foreign from None
    except (ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error):
        raise damaged from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise foreign
    if manifest.get("format_version") != FORMAT_VERSION:
        raise UsageError(f"{file} was exported by another release of Wornpath; use that one.")
    listed = manifest.get("files")
    for name, data in contents.items():
        entry = listed.get(name) if isinstance(listed, dict) else None
        if not isinstance(entry, dict) or entry.get("sha256") != _sha(data):
            raise damaged
    return contents, manifest


def _begins_like_zip(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(2) == b"PK"


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
