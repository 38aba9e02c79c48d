"""Everything a training run needs to go on exactly where it stopped, as arrays (safetensors) and JSON. Never pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wornpath.core import UsageError
from wornpath.learn.inputs import Inputs, Step
from wornpath.policy.network import Bag

Arrays = dict[str, npt.NDArray[Any]]
STATE = "checkpoint.json"
SCALARS = 13
"""Numbers kept of a step besides its decisions, whose places are two of them."""


def write(folder: Path, arrays: Arrays, state: dict[str, Any]) -> None:
    """Save ARRAYS and STATE in FOLDER; the JSON, replaced last and naming the arrays' file and length, makes the pair
    valid.
    """
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    data = save({k: np.ascontiguousarray(v) for k, v in arrays.items()})
    name = f"checkpoint-{state['episode']}-{blake2b(data, digest_size=4).hexdigest()}.safetensors"
    (folder / name).write_bytes(data)  # a name of its own, so that nothing is written over what the JSON names
    part = folder / f"{STATE}.{os.getpid()}.part"
    part.write_text(json.dumps({**state, "arrays": name, "bytes": len(data)}), encoding="utf-8")
    part.replace(folder / STATE)
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != name:
            old.unlink()


def read(folder: Path) -> tuple[Arrays, dict[str, Any]]:
    """What `write` saved. Raises UsageError when FOLDER holds no whole checkpoint."""
    from safetensors.numpy import load

    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        data = (folder / state["arrays"]).read_bytes()
        whole = len(data) == state["bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"There is no checkpoint to resume in {folder}; train without resuming.") from None
    if not whole:
        raise UsageError(f"{folder / state['arrays']} is truncated; train without resuming.")
    return load(data), state


def optimiser_arrays(prefix: str, optimiser: torch.optim.Optimizer) -> Arrays:
    """The moments and step counts of an Adam optimiser."""
    out: Arrays = {}
    for i, entry in optimiser.state_dict()["state"].items():
        for name, value in entry.items():
            out[f"{prefix}{i}.{name}"] = torch.as_tensor(value).numpy().copy()
    return out


def restore_optimiser(prefix: str, optimiser: torch.optim.Optimizer, arrays: Arrays) -> None:
    """Put back what `optimiser_arrays` gave."""
    state = optimiser.state_dict()
    state["state"] = {}
    for key, value in arrays.items():
        if key.startswith(prefix):
            index, name = key[len(prefix) :].split(".", 1)
            state["state"].setdefault(int(index), {})[name] = torch.from_numpy(value.copy())
    optimiser.load_state_dict(state)


def pack_steps(prefix: str, steps: Sequence[Step]) -> tuple[Arrays, list[list[str]]]:
    """STEPS as arrays, each decision stored once though it is the `inputs` of one step and the `after` of another.
    Evidence keys, being text, come back as the second value.
    """
    inputs: list[Inputs] = []
    index: dict[int, int] = {}
    for step in steps:
        for one in (step.inputs, step.after):
            if one is not None and id(one) not in index:
                index[id(one)] = len(inputs)
                inputs.append(one)
    scalars = [[index[id(s.inputs)], -1 if s.after is None else index[id(s.after)], *_scalars(s)] for s in steps]
    out: Arrays = {f"{prefix}scalars": np.asarray(scalars, dtype=np.float64).reshape(len(steps), SCALARS)}
    if inputs:
        out[f"{prefix}rows"] = np.concatenate([i.rows.reshape(-1) for i in inputs])
        out[f"{prefix}sizes"] = np.asarray([(*(*i.rows.shape, 0)[:2], len(i.bias)) for i in inputs], dtype=np.int64)
        out[f"{prefix}bias"] = np.concatenate([i.bias for i in inputs])
        out[f"{prefix}trust"] = np.concatenate([i.trust for i in inputs])
        bags = [bag for i in inputs for bag in (i.grams or ())]
        out[f"{prefix}bags"] = np.asarray([len(b) for b in bags], dtype=np.int64)
        out[f"{prefix}grams"] = np.concatenate(bags) if bags else np.empty(0, dtype=np.int32)
    return out, [list(i.keys) for i in inputs]


def _scalars(s: Step) -> tuple[float, ...]:
    return (
        *(s.chosen, s.logp, s.reward, s.truncated, s.lam_return, s.success, s.weight, s.demo, s.last, s.value),
        s.relabelled,
    )


def unpack_steps(prefix: str, arrays: Arrays, keys: Sequence[Sequence[str]]) -> list[Step]:
    """What `pack_steps` packed. Raises UsageError when another release did."""
    if arrays[f"{prefix}scalars"].shape[1] != SCALARS:
        raise UsageError("The checkpoint was written by another release; train without resuming.")
    inputs = _unpack_inputs(prefix, arrays, keys) if f"{prefix}sizes" in arrays else []
    return [
        Step(
            inputs=inputs[int(s[0])],
            after=None if s[1] < 0 else inputs[int(s[1])],
            chosen=int(s[2]),
            logp=s[3],
            reward=s[4],
            truncated=bool(s[5]),
            lam_return=s[6],
            success=s[7],
            weight=s[8],
            demo=bool(s[9]),
            last=bool(s[10]),
            value=s[11],
            relabelled=bool(s[12]),
        )
        for s in arrays[f"{prefix}scalars"].tolist()
    ]


def _unpack_inputs(prefix: str, arrays: Arrays, keys: Sequence[Sequence[str]]) -> list[Inputs]:
    out: list[Inputs] = []
    row = bias = bag = gram = 0
    lengths, flat = arrays[f"{prefix}bags"].tolist(), arrays[f"{prefix}grams"]
    for (first, second, count), names in zip(arrays[f"{prefix}sizes"].tolist(), keys, strict=True):
        size = first * second if second else first
        rows = arrays[f"{prefix}rows"][row : row + size].copy()
        bags: list[Bag] = []
        for length in lengths[bag : bag + count]:
            bags.append(flat[gram : gram + length].copy())
            gram += length
        out.append(
            Inputs(
                rows.reshape(first, second) if second else rows,
                arrays[f"{prefix}bias"][bias : bias + count].copy(),
                arrays[f"{prefix}trust"][bias : bias + count].copy(),
                tuple(bags) if lengths else None,
                tuple(names),
            )
        )
        row, bias, bag = row + size, bias + count, bag + count
    return out
