from __future__ import annotations

from pathlib import Path

import pytest

from wornpath.cli.settings import load
from wornpath.core import UsageError


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import os

    for name in list(os.environ):
        if name.startswith(("WORNPATH_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WORNPATH_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def user(places: Path, text: str) -> None:
    (places / "home" / "config.toml").write_text(text, encoding="utf-8")


def project(places: Path, text: str) -> None:
    (places / "here" / "wornpath.toml").write_text(text, encoding="utf-8")


def test_defaults() -> None:
    loaded = load()
    assert (loaded.settings.approve, loaded.settings.max_steps, loaded.settings.candidates) == ("on-risk", 40, 3)
    assert str(loaded.origin("approve")) == "default"


def test_every_layer_beats_the_one_below(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user(places, "max_steps = 1\nseed = 1\ncandidates = 1\nmodel = 'user'")
    assert load().settings.max_steps == 1
    project(places, "max_steps = 2\nseed = 2\ncandidates = 2")
    assert load().settings.max_steps == 2
    monkeypatch.setenv("WORNPATH_MAX_STEPS", "3")
    monkeypatch.setenv("WORNPATH_SEED", "3")
    assert load().settings.max_steps == 3
    loaded = load({"max_steps": 4, "seed": None})
    assert (loaded.settings.max_steps, loaded.settings.seed, loaded.settings.candidates, loaded.settings.model) == (
        4,
        3,
        2,
        "user",
    )
    assert [str(loaded.origin(name)).split()[0] for name in ("max_steps", "seed", "candidates", "model", "learn")] == [
        "flag",
        "environment",
        "project",
        "user",
        "default",
    ]
    assert loaded.origin("max_steps").name == "--max-steps"
    assert loaded.origin("seed").name == "WORNPATH_SEED"
    assert loaded.origin("model").name == str(places / "home" / "config.toml")


def test_the_names_of_openai_are_read_and_ours_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://a/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abcdefghijklmnop")
    monkeypatch.setenv("OPENAI_TIMEOUT", "9")
    loaded = load()
    assert loaded.settings.base_url == "http://a/v1"
    assert loaded.settings.timeout is None
    assert loaded.origin("base_url").name == "OPENAI_BASE_URL"
    monkeypatch.setenv("WORNPATH_BASE_URL", "http://b/v1")
    assert load().settings.base_url == "http://b/v1"


def test_keys_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abcdefghijklmnop")
    assert load().shown("api_key") == "sk-…op"
    monkeypatch.setenv("OPENAI_API_KEY", "short")
    assert "short" not in str(load().shown("api_key"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_steps = ", "is not valid TOML"),
        ("max_step = 3", "Did you mean max_steps?"),
        ("zebra = 3", "Known are: model"),
        ("max_steps = 0", "max_steps in "),
        ("max_steps = 'many'", "max_steps in "),
        ("approve = 'yolo'", "approve in "),
        ("max_cost = nan", "max_cost in "),
        ("model = {}", "model in "),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_name(places: Path, text: str, said: str) -> None:
    user(places, text)
    with pytest.raises(UsageError, match=said.replace("?", r"\?")) as error:
        load()
    assert "config.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_wrong_in_a_flag_or_variable_is_said_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--max-steps"):
        load({"max_steps": 0})
    monkeypatch.setenv("WORNPATH_CANDIDATES", "lots")
    with pytest.raises(UsageError, match="WORNPATH_CANDIDATES"):
        load()


def test_prices_that_are_no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_PRICES", "{")
    load()
    monkeypatch.setenv("WORNPATH_PRICES", "{")
    with pytest.raises(UsageError, match="WORNPATH_PRICES is no JSON: Expecting property name"):
        load()


def test_a_file_that_is_no_text(places: Path) -> None:
    (places / "here" / "wornpath.toml").write_bytes(b"model = '\xff\xfe'")
    with pytest.raises(UsageError, match="not UTF-8"):
        load()


@pytest.mark.parametrize("text", ["sandbox = 'full'", "prices = {m = {input = 0, output = 0}}"])
def test_a_project_file_cannot_loosen_what_protects(places: Path, text: str) -> None:
    project(places, text)
    with pytest.raises(UsageError, match=r"wornpath\.toml"):
        load()
    user(places, text)
    (places / "here" / "wornpath.toml").unlink()
    load()


def test_a_project_file_can_tighten(places: Path) -> None:
    project(places, "sandbox = 'read-only'\napprove = 'ask'")
    assert load().settings.sandbox == "read-only"
    user(places, "approve = 'never'")
    with pytest.raises(UsageError, match="looser than your own"):
        load()
    assert load({"approve": "on-risk"}).settings.approve == "on-risk"
