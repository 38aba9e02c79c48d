"""What @tool makes of functions: schemas, canonical arguments, results and errors."""

from __future__ import annotations

import asyncio
import enum
import json
import resource
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from wornpath.core import Action, NeedsPerson, Observation, Part, ToolError, UsageError
from wornpath.tools import (
    Code,
    Limit,
    Registry,
    Text,
    Tool,
    ToolContext,
    Workspace,
    WorkspacePath,
    as_tool,
    signature_line,
    standard_tools,
    tool,
)
from wornpath.tools.results import clip
from wornpath.tools.schema import docstring_arguments


@tool(risk="read")
def stock(symbol: str) -> float:
    """Return the latest price of SYMBOL in US dollars."""
    return 12.5 if symbol == "ACME" else 0.0


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    name: str
    parent: Item | None = None


@dataclass
class Place:
    city: str
    zip: int = 0


@tool(risk="send", kinds=("write", "other"), idempotent=True, name="everything")
async def many(
    context: ToolContext,
    path: Annotated[str, WorkspacePath],
    body: Annotated[str, Text],
    program: Annotated[str, Code] = "",
    level: Literal["low", "high"] = "low",
    colour: Colour = Colour.RED,
    tags: list[str] | None = None,
    item: Item | None = None,
    place: Place | None = None,
    others: Annotated[list[Annotated[str, WorkspacePath]], "extra"] = [],  # noqa: B006
    short: Annotated[str, Limit(20)] = "x",
    schema: int = 3,
) -> dict[str, Any]:
    """Do all of it. And more.

    Args:
        path: where it goes
        level (str): how
            hard
    """
    return {
        "path": path,
        "body": body,
        "level": level,
        "colour": colour.value,
        "item": item,
        "place": place,
        "schema": schema,
    }


def test_the_documented_example() -> None:
    assert isinstance(stock, Tool)
    assert (stock.name, stock.risk, stock.description) == (
        "stock",
        "read",
        "Return the latest price of SYMBOL in US dollars.",
    )
    assert stock.schema == {
        "type": "object",
        "properties": {"symbol": {"type": "string", "maxLength": 200}},
        "required": ["symbol"],
        "additionalProperties": False,
    }
    assert stock.idempotent and stock.kinds == frozenset() and stock.function("ACME") == 12.5
    assert signature_line(stock) == "stock(symbol: str): Return the latest price of SYMBOL in US dollars."


async def test_the_example_runs(context: ToolContext) -> None:
    assert (await stock(context, symbol="ACME")).text == "12.5"


def test_schema_of_everything() -> None:
    assert (many.name, many.risk, many.idempotent, many.description) == ("everything", "send", True, "Do all of it.")
    assert many.text == {"body": "text", "program": "code"} and many.paths == ("path", "others")
    properties = many.schema["properties"]
    assert many.schema["required"] == ["path", "body"] and "context" not in properties
    assert properties["path"]["description"] == "where it goes" and properties["level"]["description"] == "how hard"
    assert properties["level"]["enum"] == ["low", "high"] and properties["level"]["default"] == "low"
    assert properties["colour"]["enum"] == ["red", "blue"] and properties["colour"]["default"] == "red"
    assert properties["tags"] == {"type": "array", "items": {"type": "string", "maxLength": 200}, "maxItems": 50}
    assert "maxLength" not in properties["body"] and properties["short"]["maxLength"] == 20
    assert properties["place"]["properties"]["city"] == {"type": "string", "maxLength": 200}
    text = json.dumps(many.schema)
    assert "$ref" not in text and "title" not in text and "null" not in text


def test_signature_line() -> None:
    line = signature_line(many)
    assert line.startswith(
        'everything(path: str, body: <written later>, program: <written later> = "", level: "low"|"high" = "low"'
    )
    assert "tags?: list[str]" in line and "\n" not in line


def test_canonical_arguments() -> None:
    plain = many.canonical(
        {"path": "./a//b/", "level": "low", "schema": "3", "tags": None, "others": ["x/../y"], "colour": "blue"}
    )
    assert plain == {"path": "a/b", "others": ["y"], "colour": "blue"}
    assert many.canonical(plain) == plain
    assert many.canonical({"path": "a", "body": "text"}) == {"path": "a", "body": "text"}
    assert stock.canonical({"symbol": 7}) == {"symbol": "7"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "needs the argument 'path'"),
        ({"path": "../x"}, "leaves the workspace"),
        ({"path": "a", "level": "mid"}, "argument level does not fit"),
        ({"path": "a", "schema": "many"}, "argument schema does not fit"),
        ({"path": "a", "place": {"zip": 1}}, "argument place.city does not fit"),
        ({"path": "a", "colours": 1}, "has no argument 'colours'"),
        ({"path": ["a"]}, "argument path does not fit"),
    ],
)
def test_wrong_arguments_are_sentences(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ToolError, match=words):
        many.canonical(arguments)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["path", "level", "tags", "item", "place", "others", "schema", "colour", "odd"]), json_values
    )
)
def test_any_json_is_canonical_or_a_sentence(arguments: dict[str, Any]) -> None:
    try:
        plain = many.canonical(arguments)
    except ToolError as error:
        assert 0 < len(str(error)) < 600
        return
    assert many.canonical(plain) == plain
    assert Action.of("everything", plain) == Action.of("everything", many.canonical(json.loads(json.dumps(plain))))


async def test_coercion_and_missing_text(context: ToolContext) -> None:
    done = await many(
        context, path="a", body="b", schema="5", colour="blue", place={"city": "Bern"}, item={"name": "x"}
    )
    assert json.loads(done.text) == {
        "path": "a",
        "body": "b",
        "level": "low",
        "colour": "blue",
        "item": {"name": "x", "parent": None},
        "place": {"city": "Bern", "zip": 0},
        "schema": 5,
    }
    missing = await many(context, path="a")
    assert missing.result == "error" and "'body'" in missing.text


@pytest.mark.parametrize(
    ("value", "result", "text"),
    [
        (None, "ok", "done"),
        ("hi", "ok", "hi"),
        ("", "empty", "The result is empty."),
        ([], "empty", "The result is empty."),
        ({}, "empty", "The result is empty."),
        (0, "ok", "0"),
        (False, "ok", "false"),
        ([1, {"a": Place("Bern")}], "ok", '[1, {"a": {"city": "Bern", "zip": 0}}]'),
        ({"汉": "字"}, "ok", '{"汉": "字"}'),
        (Observation.of("seen", "denied"), "denied", "seen"),
        (Part(text="piece"), "ok", "piece"),
        (object, "ok", "<class 'object'>"),
        ("a\x1b[2Jb\u202ec\ud800d\r\ne", "ok", "a\ufffd[2Jb\ufffdc\ufffdd\ne"),
    ],
)
async def test_results(context: ToolContext, value: Any, result: str, text: str) -> None:
    @tool
    def give() -> Any:
        return value

    seen = await give(context)
    assert (seen.result, seen.text.strip('"')) == (result, text.strip('"'))


async def test_errors_become_observations(context: ToolContext, folder: Path) -> None:
    @tool
    def fails(how: str) -> str:
        if how == "tool":
            raise ToolError("The shop is closed; try later.")
        if how == "missing":
            return Path("/nowhere/special/file.txt").read_text()
        if how == "inside":
            raise ValueError(f"bad line in {folder}/a/b.txt and /etc/secret/x, see http://host/a/b")
        if how == "exit":
            sys.exit(3)
        if how == "stop":
            raise StopIteration
        raise KeyError("x" * 10_000)

    seen = {how: await fails(context, how=how) for how in ("tool", "missing", "inside", "exit", "stop", "key")}
    assert {o.result for o in seen.values()} == {"error"}
    assert seen["tool"].text == "The shop is closed; try later."
    assert "…/file.txt" in seen["missing"].text and "/nowhere" not in seen["missing"].text
    assert seen["inside"].text == "fails failed: ValueError: bad line in a/b.txt and …/x, see http://host/a/b"
    assert "SystemExit" in seen["exit"].text and len(seen["key"].text) < 800
    assert not any("Traceback" in o.text for o in seen.values())


async def test_what_only_a_person_can_settle_passes(context: ToolContext) -> None:
    @tool
    async def asks() -> str:
        raise NeedsPerson("Which one?")

    with pytest.raises(NeedsPerson):
        await asks(context)


async def test_a_hanging_tool_can_be_left(context: ToolContext) -> None:
    release = threading.Event()

    @tool
    def hangs() -> None:
        release.wait()

    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hangs(context), 0.05)
    finally:
        release.set()


def test_a_hanging_tool_does_not_keep_the_process() -> None:
    program = (
        "import asyncio, threading, sys\nfrom pathlib import Path\nfrom wornpath.tools import tool, ToolContext, Workspace\n"
        "@tool\ndef hangs() -> None:\n    threading.Event().wait()\n"
        "async def main():\n    await asyncio.wait_for(hangs(ToolContext(Workspace(Path('.')))), 0.05)\n"
        "try:\n    asyncio.run(main())\nexcept TimeoutError:\n    sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=20, check=False).returncode == 7


async def test_a_huge_result_is_clipped_within_memory(context: ToolContext) -> None:
    @tool
    def huge() -> str:
        return "x" * 300_000_000

    @tool
    def nested() -> dict[str, Any]:
        return {"rows": ["y" * 1_000_000] * 300, "n": 1}

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = [await huge(context), await nested(context)]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 360_000  # KiB: the string itself and little more
    for one in seen:
        assert len(one.text) < context.max_chars + 300
    assert "300,000,000 characters in all" in seen[0].text and "299 more" in seen[1].text


async def test_a_huge_observation_is_clipped(context: ToolContext) -> None:
    @tool
    def huge() -> Observation:
        return Observation(parts=(Part(text="x" * 10**6),) * 3, facts=("f" * 10**5,) * 100)

    seen = await huge(context)
    assert len(seen.text) < context.max_chars + 300 and sum(map(len, seen.facts)) < 10_000


@given(st.text(max_size=300), st.integers(0, 100))
def test_clip_is_bounded_and_storable(text: str, limit: int) -> None:
    shown = clip(text, limit)
    assert len(shown) <= limit + 80
    shown.encode("utf-8")


def test_docstring_styles() -> None:
    wanted = {"a": "first thing", "b": "second thing"}
    assert (
        docstring_arguments(
            "Do.\n\nArgs:\n    a: first\n        thing\n    b (int): second thing\n\nReturns:\n    c: no\n"
        )
        == wanted
    )
    assert (
        docstring_arguments(
            "Do.\n\nParameters\n----------\na : str\n    first thing\nb\n    second\n    thing\n\nReturns\n-------\nint\n"
        )
        == wanted
    )
    assert docstring_arguments("Do.\n\n:param a: first thing\n:param int b: second thing\n") == wanted
    assert docstring_arguments("") == {}


def test_what_cannot_be_a_tool() -> None:
    def starred(*values: str) -> None: ...

    def unknown(value: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    def odd(value: threading.Lock) -> None: ...

    for function in (starred, unknown):
        with pytest.raises(UsageError):
            tool(function)
    with pytest.raises(UsageError, match="no JSON form"):
        tool(odd).schema  # noqa: B018
    with pytest.raises(UsageError, match="risk"):
        tool(risk="free")(stock.function)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="kind"):
        tool(kinds=("party",))(stock.function)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="no name"):
        tool(lambda x: x)


def test_registry(context: ToolContext) -> None:
    registry = Registry([stock, many])
    assert list(registry) == [stock, many] and "stock" in registry and registry.get("nothing") is None
    assert registry.for_kind("find") == (stock,) and registry.for_kind("write") == (stock, many)
    with pytest.raises(ToolError, match="did you mean stock"):
        registry["stocks"]
    with pytest.raises(UsageError, match="two tools named stock"):
        Registry([stock, stock])
    with pytest.raises(UsageError, match="is no tool"):
        Registry([len])  # type: ignore[list-item]
    action = registry.action(
        "everything", {"path": f"{context.workspace.root}/a//b", "others": ["./c"]}, context.workspace
    )
    assert action == Action.of("everything", path="a/b", others=["c"])
    with pytest.raises(ToolError, match="outside the workspace"):
        registry.action("everything", {"path": "/etc/passwd"}, context.workspace)


def test_as_tool() -> None:
    assert as_tool(stock) is stock and as_tool(stock.function).name == "stock"
    with pytest.raises(UsageError):
        as_tool(3)  # type: ignore[arg-type]


def test_standard_tools_and_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real entry points: a distribution on the path with one good tool, one broken, and one whose name is taken."""
    (tmp_path / "wornpath_probe_plugin.py").write_text(
        "from wornpath.tools import tool\n@tool\ndef probe(x: int) -> int:\n    'Probe.'\n    return x\n"
        "@tool(name='read_file')\ndef other() -> None: ...\nbroken = 3\n"
    )
    meta = tmp_path / "wornpath_probe_plugin-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: wornpath-probe-plugin\nVersion: 1.0\n")
    lines = [
        "probe=wornpath_probe_plugin:probe",
        "taken=wornpath_probe_plugin:other",
        "bad=wornpath_probe_plugin:broken",
        "gone=no_such_module:x",
    ]
    (meta / "entry_points.txt").write_text("[wornpath.tools]\n" + "\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry.standard([stock])
    assert {"read_file", "python", "shell", "note", "stock", "probe"} <= {t.name for t in registry}
    assert len(registry.warnings) == 3 and all("left out" in w for w in registry.warnings)
    assert registry["read_file"] is next(t for t in standard_tools() if t.name == "read_file")


def test_tools_on_offer_are_few() -> None:
    registry = Registry(standard_tools())
    for kind in ("find", "read", "compute", "write", "organise", "code", "other"):
        assert 3 <= len(registry.for_kind(kind)) <= 8, kind
    for each in registry:
        assert len(signature_line(each)) < 200


def test_importing_tools_is_light() -> None:
    heavy = "('pydantic', 'openpyxl', 'docx', 'pypdf', 'charset_normalizer', 'openai')"
    program = f"import sys, wornpath.tools\nprint([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
        == "[]"
    )


async def test_note_remembers(folder: Path) -> None:
    from wornpath.tools.note import note

    kept: list[tuple[str, str]] = []
    context = ToolContext(Workspace(folder), remember=lambda text, scope: kept.append((text, scope)))
    seen = await note(context, fact="  invoices are in\n2024 ", scope="folder")
    assert kept == [("invoices are in 2024", "folder")] and seen.facts == ("invoices are in 2024",)
    assert (await note(context, fact=" ")).result == "error" and (
        await note(context, fact="x", scope="all")
    ).result == "error"
    assert len(kept) == 1


async def test_results_as_they_are_best_read(context: ToolContext) -> None:
    class Frame:
        def __str__(self) -> str:
            return "  total\n0  12.5"

    async def returned(value: Any) -> str:
        def give() -> Any:
            """Give it."""
            return value

        return (await tool(give)(context)).text

    assert await returned({"colour": Colour.RED, "all": [Colour.BLUE]}) == '{"colour": "red", "all": ["blue"]}'
    assert await returned("é".encode()) == "é"
    assert await returned(b"\x89PNG\r\n\x1a\n" + bytes(100)) == "108 bytes, no text; looks like PNG image"
    assert (await returned("é".encode() * 100_000)).startswith("éé")
    assert await returned(Frame()) == "  total\n0  12.5"
    assert await returned(n * n for n in range(3)) == "[0, 1, 4]"
    assert await returned(Part("image", path="a.png", media_type="image/png")) == "image a.png"


async def test_generators_are_tools_too(context: ToolContext) -> None:
    @tool
    def count() -> Any:
        """Count."""
        yield from range(2)

    @tool
    async def later() -> Any:
        """Count later."""
        yield "a"

    assert (await count(context)).text == "[0, 1]"
    assert (await later(context)).text == '["a"]'
