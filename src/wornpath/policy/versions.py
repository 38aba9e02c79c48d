"""Policy versions on disk: a folder with `policy.safetensors` (arrays) and `policy.json` (everything else). Never
pickle.

The JSON names the format, the shape of the network, the meaning of its features and the digest of the arrays; a file
that is truncated, from another program, or made for other features is refused with a sentence that says so. Both
files are replaced whole, the JSON last. The arrays that it named before are kept beside them until then, so a crash while
saving leaves the previous version."""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np

from wornpath.core import UsageError, from_json, to_json
from wornpath.policy import features, live
from wornpath.policy.evidence import Evidence
from wornpath.policy.files import replace_file
from wornpath.policy.learnt import LearntPolicy
from wornpath.policy.network import Head, Network, Spec
from wornpath.policy.registry import PackageMissing

FORMAT = "wornpath-policy"
FORMAT_VERSION = 1
ARRAYS, META = "policy.safetensors", "policy.json"
KEPT = "policy-*.safetensors"
"""The arrays of before, each under its digest, while they are being replaced."""


def save(policy: LearntPolicy, folder: str | Path, *, info: dict[str, Any] | None = None) -> Path:
    """Write POLICY to FOLDER (made if absent) and return its path. INFO (plain JSON: algorithm, seed, episodes) is
    kept beside it.

    Raises UsageError when a weight is not finite or safetensors is missing.
    """
    numpy_io = _safetensors()
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in policy.network.weights.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UsageError(
                f"The weights {name} hold values that are not numbers; this policy was not saved to {path}."
            )
    data: bytes = numpy_io.save(arrays)
    meta = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "version": policy.version,
        "created": round(time.time(), 3),
        "network": to_json(policy.network.spec),
        "features": signature(policy.network.spec),
        "alpha": policy.alpha,
        "n0": policy.n0,
        "epsilon": policy.epsilon,
        "arrays_sha256": hashlib.sha256(data).hexdigest(),
        "evidence": policy.evidence.as_dict(),
        "info": info or {},
    }
    _keep_arrays(path)
    replace_file(path / ARRAYS, data)
    replace_file(path / META, json.dumps(meta, ensure_ascii=False, indent=1).encode())
    for kept in path.glob(KEPT):
        kept.unlink(missing_ok=True)
    return path


def load(folder: str | Path) -> LearntPolicy:
    """The policy saved in FOLDER.

    Raises UsageError, naming the file and what is wrong with it, when it is missing, truncated, foreign or
    incompatible."""
    path = Path(folder)
    meta = read_meta(path)
    data = _arrays(path, meta["arrays_sha256"])
    numpy_io = _safetensors()
    try:
        arrays = numpy_io.load(data)
        spec = from_json(Spec, meta["network"])
        _check_heads(spec)
        if meta["features"] != signature(spec):
            raise UsageError(f"{path} was trained for other features than this release computes; train it again.")
        evidence = Evidence.from_dict(meta["evidence"])
        network = Network(spec, arrays)
        return LearntPolicy(
            network,
            evidence,
            version=str(meta["version"]),
            alpha=float(meta["alpha"]),
            n0=float(meta["n0"]),
            epsilon=float(meta["epsilon"]),
        )
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{path} is not a policy that can be read: {error}") from None


def read_meta(folder: str | Path) -> dict[str, Any]:
    """What `policy.json` of FOLDER says. Raises UsageError when it is missing, truncated or from another program."""
    file = Path(folder) / META
    try:
        meta = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"There is no policy version in {folder}: {META} is missing.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise UsageError(f"{file} is truncated or not JSON; copy the version again.") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise UsageError(f"{file} is not a Wornpath policy.")
    if meta.get("format_version") != FORMAT_VERSION:
        raise UsageError(
            f"{file} has format version {meta.get('format_version')!r}, "
            f"this release reads {FORMAT_VERSION}; use the matching release."
        )
    missing = {"version", "network", "features", "alpha", "n0", "epsilon", "arrays_sha256", "evidence"} - set(meta)
    if missing:
        raise UsageError(f"{file} lacks {', '.join(sorted(missing))}; copy the version again.")
    return meta


def signature(spec: Spec) -> str:
    """What the rows of a network of SPEC mean; a version trained for another meaning cannot be used."""
    if spec.kind == "vector":
        return "vector"
    return live.SIGNATURE if spec.view == "live" else features.SIGNATURE


def version_name(algorithm: str, seed: int, episodes: int) -> str:
    """A readable name for a newly trained version, safe as a folder name."""
    return re.sub(r"[^\w.-]+", "-", f"{algorithm}-s{seed}-e{episodes}")


def _keep_arrays(path: Path) -> None:
    """Keep the arrays in PATH under their digest: the JSON there names them until it is replaced."""
    if (path / ARRAYS).exists():
        data = (path / ARRAYS).read_bytes()
        replace_file(path / KEPT.replace("*", hashlib.sha256(data).hexdigest()), data)


def _arrays(path: Path, digest: str) -> bytes:
    """The arrays in PATH that have DIGEST; kept ones where a save was cut off."""
    file = path / ARRAYS
    try:
        found = [one.read_bytes() for one in (file, *path.glob(KEPT))]
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}); the policy version is incomplete.") from None
    for data in found:
        if hashlib.sha256(data).hexdigest() == digest:
            return data
    raise UsageError(f"{file} is truncated or was changed (its digest does not match {META}); copy the version again.")


def _check_heads(spec: Spec) -> None:
    unknown = set(spec.heads) - set(get_args(Head))
    if unknown or not spec.heads:
        raise UsageError(f"The network has heads this release does not know: {', '.join(sorted(unknown)) or 'none'}.")


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise PackageMissing(
            "Reading and writing policies needs the package safetensors; install it with: pip install 'wornpath[learn]'"
        ) from None
    return safetensors.numpy
