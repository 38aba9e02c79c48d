from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mock_server import MockServer

from wornpath.core import ModelUnavailable, NeedsPerson, UsageError
from wornpath.llm import EmbeddedChat, OpenAIChat, Sizes, resolve
from wornpath.llm.pricing import DEFAULT_MODEL


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "WORNPATH_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORNPATH_HOME", str(tmp_path))
    return tmp_path


def remote(*names: str | None, **options: Any) -> OpenAIChat:
    chat = resolve(*names, **options)
    assert isinstance(chat, OpenAIChat)
    return chat


def test_a_key_alone_is_for_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    chat = remote()
    assert (chat.model, chat.base_url, chat.sizes) == (DEFAULT_MODEL, "https://api.openai.com/v1", Sizes.large())
    assert chat.price is not None
    monkeypatch.setenv("WORNPATH_MODEL", "gpt-x")
    assert remote().model == "gpt-x"
    assert remote("gpt-y", prices={"gpt-y": {"input": 1, "output": 2}}).price is not None


def test_the_first_model_that_the_endpoint_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    with MockServer(models=("first", "second")).in_thread() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert remote().model == "first"
        server.models = ()
        with pytest.raises(UsageError, match="does not say which models it has"):
            resolve()
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        resolve()


def test_a_key_goes_only_where_it_was_meant_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-own")
    with MockServer().in_thread() as server:

        async def ask(chat: OpenAIChat) -> None:
            await chat.complete([{"role": "user", "content": "hi"}])
            await chat.aclose()

        asyncio.run(ask(remote(base_url=server.base_url)))
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        asyncio.run(ask(remote("mock")))
        asyncio.run(ask(remote("mock", base_url=server.base_url, api_key="sk-given")))
    sent = [headers.get("authorization") for headers in server.headers if "content-length" in headers]
    assert sent == ["Bearer none", "Bearer sk-own", "Bearer sk-given"]
    assert "sk-own" not in str(server.headers[:2])


@pytest.mark.parametrize("name", [None, "local", "local:small"])
def test_weights_that_are_not_here_need_a_person(name: str | None) -> None:
    with pytest.raises(NeedsPerson, match=r"GB, Apache-2\.0\); fetch them with `wornpath models pull local") as caught:
        resolve(name)
    assert caught.value.exit_code == 4


def test_weights_are_asked_about() -> None:
    asked: list[str] = []

    def no(wanted: Any) -> bool:
        asked.append(wanted.name)
        return False

    with pytest.raises(ModelUnavailable, match="not to be fetched"):
        resolve("local:tiny", confirm=no)
    assert asked == ["local:tiny"]


def test_local_stays_local_with_a_key_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    with pytest.raises(NeedsPerson):
        resolve("local")


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "my.gguf").write_bytes(b"GGUF")
    chat = resolve(str(tmp_path / "my.gguf"), seed=4)
    assert isinstance(chat, EmbeddedChat)
    assert (chat.model, chat.seed, chat.sizes) == ("my", 4, Sizes())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gpt-4o", "set OPENAI_API_KEY or OPENAI_BASE_URL"),
        ("local:huge", "there are local, local:small, local:tiny"),
        ("absent.gguf", r"There is no file absent\.gguf"),
        ("simulated", "belongs to `wornpath bench`"),
    ],
)
def test_names_that_mean_nothing(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resolve(name)


async def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    for content, says in (
        (b"hello", "is no GGUF file"),
        (b"GGUF" + bytes(1000), "the file is damaged or of an unknown kind"),
    ):
        (tmp_path / "bad.gguf").write_bytes(content)
        with pytest.raises(ModelUnavailable, match=says):
            await resolve(str(tmp_path / "bad.gguf")).complete([{"role": "user", "content": "hi"}])


def test_importing_is_light() -> None:
    heavy = "openai", "xllamacpp", "httpx2", "pydantic", "numpy", "torch"
    code = f"import sys, wornpath.llm; wornpath.llm.ScriptedChat, wornpath.llm.resolve; print([m for m in {heavy!r} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_without_the_extra_there_is_a_hint(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    code = (
        "import sys, asyncio; sys.modules['xllamacpp'] = None\n"
        "from wornpath.llm import resolve\n"
        "asyncio.run(resolve(sys.argv[1]).complete([{'role': 'user', 'content': 'x'}]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.gguf")], capture_output=True, text=True, check=False
    )
    assert 'pip install "wornpath[local]"' in run.stderr
