"""From a model's name to the model: embedded weights, a file, or an endpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wornpath.core import ModelUnavailable, NeedsPerson, UsageError
from wornpath.llm import weights
from wornpath.llm.chat import Chat, Sizes
from wornpath.store.paths import cache_dir


def resolve(
    name: str | None = None,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    prices: Mapping[str, Any] | Path | None = None,
    assume_yes: bool = False,
    confirm: Callable[[weights.Weights], bool] | None = None,
    progress: weights.Progress | None = None,
    seed: int | None = None,
    timeout: float | None = None,
) -> Chat:
    """The model called NAME: `local`, `local:small`, `local:tiny`, a path to a GGUF file, else a model of the endpoint.

    Without BASE_URL, the endpoint and its key are those of the environment (OPENAI_BASE_URL, OPENAI_API_KEY); a BASE_URL that is given
    is used with the given API_KEY only. Without NAME: WORNPATH_MODEL or OPENAI_MODEL; else the endpoint's default where there is an
    endpoint; else `local`. Weights that are not here are fetched when ASSUME_YES is set or CONFIRM agrees. TIMEOUT is an endpoint's longest
    silence, in seconds; PRICES come before the built-in ones (see `pricing.read_prices`); SEED is the embedded model's.

    Raises UsageError for a name that means nothing, NeedsPerson when weights are wanted and nobody was asked, ModelUnavailable.
    """
    if base_url is None:
        base_url = os.environ.get("OPENAI_BASE_URL") or None
        api_key = api_key or os.environ.get("OPENAI_API_KEY") or None
    name = name or os.environ.get("WORNPATH_MODEL") or os.environ.get("OPENAI_MODEL") or None
    endpoint = bool(base_url or api_key)
    if name == "simulated":
        raise UsageError("The model `simulated` belongs to `wornpath bench`; for real work name another.")
    if name in weights.REGISTRY or (name is None and not endpoint):
        return _embedded(weights.find(name or "local"), assume_yes, confirm, progress, seed)
    if name is not None and (name.lower().endswith(".gguf") or (not endpoint and Path(name).is_file())):
        return _from_file(Path(name).expanduser(), seed)
    if name is not None and name.startswith("local:"):
        raise UsageError(f"There is no embedded model {name!r}; there are {', '.join(weights.REGISTRY)}.")
    if not endpoint:
        raise UsageError(
            f"There is no model {name!r}: name {', '.join(weights.REGISTRY)} or a path to a GGUF file, "
            "or set OPENAI_API_KEY or OPENAI_BASE_URL to use an endpoint's model."
        )
    return _remote(name, base_url, api_key, prices, timeout)


def _embedded(
    wanted: weights.Weights,
    assume_yes: bool,
    confirm: Callable[[weights.Weights], bool] | None,
    progress: weights.Progress | None,
    seed: int | None,
) -> Chat:
    from wornpath.llm.embedded import EmbeddedChat

    try:
        file = weights.path(wanted, progress)
    except ModelUnavailable as missing:
        if confirm is None and not assume_yes:
            what = str(missing).partition(";")[0]  # not here yet, or damaged
            raise NeedsPerson(
                f"{what} ({wanted.bytes / 1e9:.1f} GB, {wanted.licence}); fetch them with `wornpath models pull {wanted.name}`, "
                "or agree with --yes."
            ) from None
        file = weights.pull(wanted, progress=progress, confirm=None if assume_yes else confirm)
    return EmbeddedChat(file, model=file.stem, seed=seed)


def _from_file(file: Path, seed: int | None) -> Chat:
    from wornpath.llm.embedded import EmbeddedChat

    if not file.is_file():
        raise UsageError(
            f"There is no file {file}; --model wants a GGUF file, a model's name, or one of {', '.join(weights.REGISTRY)}."
        )
    return EmbeddedChat(file, seed=seed)


def _remote(
    name: str | None,
    base_url: str | None,
    api_key: str | None,
    prices: Mapping[str, Any] | Path | None,
    timeout: float | None,
) -> Chat:
    from wornpath.llm.openai_chat import OPENAI_URL, OpenAIChat
    from wornpath.llm.pricing import DEFAULT_MODEL, read_prices

    own = read_prices(prices) if prices else None
    if name is None:
        name = DEFAULT_MODEL if base_url in (None, OPENAI_URL) else _first_model(base_url, api_key)
    return OpenAIChat(
        name,
        base_url=base_url,
        api_key=api_key,
        sizes=Sizes.large(),
        prices=own,
        capabilities=cache_dir() / "capabilities.json",
        timeout=120.0 if timeout is None else timeout,
        audio_model=os.environ.get("WORNPATH_AUDIO_MODEL") or "whisper-1",
    )


def _first_model(base_url: str, api_key: str | None) -> str:
    """The first model that the endpoint lists."""
    import httpx2

    from wornpath.llm.clients import check_url, local, shown
    from wornpath.llm.faults import setters_of

    check_url(base_url)
    where = shown(base_url)
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        answer = httpx2.get(
            f"{base_url.rstrip('/')}/models", headers=headers, timeout=10.0, trust_env=not local(base_url)
        )
        listed = answer.json()["data"] if answer.status_code == 200 else []
        names = [str(entry["id"]) for entry in listed]
    except httpx2.HTTPError as error:
        named = setters_of(base_url).base_url
        raise ModelUnavailable(f"{where} cannot be reached ({error}); check the network and {named}.") from None
    except (ValueError, KeyError, TypeError):
        names = []
    if not names:
        raise UsageError(f"{where} does not say which models it has; name one with --model, or set OPENAI_MODEL.")
    return names[0]
