"""Settings and where each came from: flags > environment > `./wornpath.toml` > the user's file > defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from wornpath.core import UsageError

PROJECT_FILE = "wornpath.toml"
OPENAI_NAMES = ("api_key", "base_url", "model")
"""The settings that are read from `OPENAI_API_KEY`, `OPENAI_BASE_URL` and `OPENAI_MODEL` too."""


class Settings(BaseSettings):
    """Everything that can be set outside a single run. A field's description is what `wornpath config show` says about it."""

    model_config = SettingsConfigDict(
        extra="forbid", env_prefix="WORNPATH_", env_ignore_empty=True, hide_input_in_errors=True
    )

    model: str | None = Field(None, description="local, local:small, a path to a GGUF, or the endpoint's model name")
    base_url: str | None = Field(None, description="an endpoint that speaks Chat Completions")
    api_key: SecretStr | None = Field(None, description="the endpoint's key")
    approve: Literal["ask", "on-risk", "never"] = Field("on-risk", description="which actions ask first")
    sandbox: Literal["read-only", "workspace", "full"] = Field("workspace", description="what actions may reach")
    rules: str | None = Field(None, description="a policy file in TOML: what is allowed, asked about and denied")
    candidates: int = Field(3, ge=1, le=8, description="actions the model is asked for at each step")
    max_steps: int = Field(40, ge=1, description="limit of actions")
    max_tokens: int | None = Field(None, ge=1, description="limit of language-model tokens")
    max_cost: float | None = Field(None, gt=0, allow_inf_nan=False, description="limit of cost, US dollars")
    timeout: float | None = Field(None, gt=0, allow_inf_nan=False, description="limit of time, seconds")
    learn: bool = Field(True, description="learn from runs")
    seed: int = Field(0, description="seed of everything random")
    prices: dict[str, Any] = Field(
        default_factory=dict, description="US dollars per million tokens by model: input, output, cached"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # `load` merges the sources itself, to know where each value came from


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: `flag`, `environment`, `project`, `user` or `default`, and the variable or file by name."""

    kind: Literal["flag", "environment", "project", "user", "default"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


@dataclass(frozen=True, slots=True)
class Loaded:
    settings: Settings
    origins: Mapping[str, Origin]

    def origin(self, name: str) -> Origin:
        return self.origins.get(name, Origin("default"))

    def shown(self, name: str) -> Any:
        """The value as it may be shown to people: secrets masked."""
        value = getattr(self.settings, name)
        if isinstance(value, SecretStr):
            secret = value.get_secret_value()
            return f"{secret[:3]}…{secret[-2:]}" if len(secret) > 12 else "…"
        return value


def load(flags: Mapping[str, Any] | None = None, *, project: Path | None = None, user: Path | None = None) -> Loaded:
    """The settings of this process. FLAGS are the options given on the command line (None = not given); PROJECT and USER are the two
    files, read when they exist.

    Raises UsageError with a sentence naming the option, variable or file that is wrong.
    """
    from wornpath.store.paths import config_file

    project = Path(PROJECT_FILE) if project is None else project
    user = config_file() if user is None else user
    layers: list[tuple[Origin, dict[str, Any]]] = [
        (Origin("flag"), {k: v for k, v in (flags or {}).items() if v is not None}),
        (Origin("environment", "WORNPATH_"), _environment()),
        (Origin("environment", "OPENAI_"), _openai_environment()),
        (Origin("project", str(project)), _read(project)),
        (Origin("user", str(user)), _read(user)),
    ]
    merged: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for origin, values in layers:
        for name, value in values.items():
            if name in merged:
                continue
            merged[name] = value
            origins[name] = _named(origin, name)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise UsageError(_sentence(error, origins)) from None
    loaded = Loaded(settings, origins)
    _refuse_loosening(loaded, layers)
    return loaded


def _environment() -> dict[str, Any]:
    try:
        return dict(EnvSettingsSource(Settings)())
    except SettingsError as error:  # of a value that is more than one text
        odd = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "")
        raise UsageError(
            f"WORNPATH_{odd.upper()} is no JSON: {error.__cause__}. Write it as in "
            '{"MODEL": {"input": 1.5, "output": 6}}, or unset it.'
        ) from None


class _OpenAI(BaseSettings):
    """What is read of `OPENAI_…`."""

    model_config = SettingsConfigDict(env_prefix="OPENAI_", env_ignore_empty=True)

    api_key: str | None = None
    base_url: str | None = None
    model: str | None = None


def _openai_environment() -> dict[str, Any]:
    found = EnvSettingsSource(_OpenAI)()
    return {name: found[name] for name in OPENAI_NAMES if name in found}


def _named(origin: Origin, name: str) -> Origin:
    if origin.kind == "environment":
        return Origin("environment", origin.name + name.upper())
    if origin.kind == "flag":
        return Origin("flag", "--" + name.replace("_", "-"))
    return origin


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}. Correct it or move it away.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text. Save it as UTF-8 or move it away.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Correct its permissions or move it away.") from None


def _sentence(error: ValidationError, origins: Mapping[str, Origin]) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    origin = origins.get(name, Origin("default"))
    where = origin.name or origin.kind
    if first["type"] == "extra_forbidden":
        from difflib import get_close_matches

        near = get_close_matches(name, Settings.model_fields, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(Settings.model_fields)}."
        return f"{where} sets {name}, which is no setting. {hint}"
    said = str(first["msg"]).removeprefix("Value error, ")
    inner = ".".join(map(str, first["loc"]))
    shown = where if origin.kind in ("flag", "environment") else f"{inner} in {where}"
    return f"{shown} has a value that does not fit: {said[:1].lower()}{said[1:]}."


_ORDER: dict[str, tuple[str, ...]] = {
    "sandbox": ("read-only", "workspace", "full"),
    "approve": ("never", "ask", "on-risk"),
}
"""From strict to loose."""


def _refuse_loosening(loaded: Loaded, layers: list[tuple[Origin, dict[str, Any]]]) -> None:
    """A project file comes with the folder, perhaps from a stranger: it may make a run stricter, never looser."""
    if loaded.origin("prices").kind == "project":
        raise UsageError(
            f"{loaded.origin('prices').name} sets prices, which the cost limit relies on; move them to your own file."
        )
    if loaded.origin("rules").kind == "project":
        raise UsageError(
            f"{loaded.origin('rules').name} names a policy file, which could allow anything; name it in your own file or as --rules FILE."
        )
    beneath = layers[-1][1]
    for name, order in _ORDER.items():
        if loaded.origin(name).kind != "project":
            continue
        value = getattr(loaded.settings, name)
        usual = beneath.get(name, Settings.model_fields[name].default)
        if usual in order and order.index(value) > order.index(usual):
            raise UsageError(
                f'{loaded.origin(name).name} asks for {name} = "{value}", looser than your own "{usual}"; a project file can only be '
                f"stricter. Give --{name} {value} yourself if you want it."
            )
