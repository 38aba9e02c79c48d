"""A tool's arguments, read off its function: a compact JSON schema, and one line for prompts."""

from __future__ import annotations

import functools
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wornpath.core import Observation, ToolError, UsageError
from wornpath.tools.tool import ROLES, Code, Text, Tool, ToolContext, WorkspacePath
from wornpath.tools.workspace import canonical_path

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MAX_STRING, MAX_ITEMS = 200, 50
"""Default `maxLength` of strings and `maxItems` of arrays in schemas: without them a small model may never stop."""
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Limit:
    """Another `maxLength` in the schema: `Annotated[str, Limit(800)]`. A hint to the model; longer values are not refused."""

    max_length: int


@dataclass(frozen=True)
class Argument:
    """One argument of a tool: its type, default (`REQUIRED` where there is none), description and marker."""

    name: str
    annotation: Any
    default: Any = REQUIRED
    description: str = ""
    marker: type | None = None

    @property
    def text(self) -> str:
        """`text` or `code` for an argument of long free text, else empty."""
        if self.marker is None or not issubclass(self.marker, Text):
            return ""
        return "code" if issubclass(self.marker, Code) else "text"

    @property
    def path(self) -> bool:
        return self.marker is not None and issubclass(self.marker, WorkspacePath)

    @property
    def role(self) -> str:
        """`link`, `content`, `name` or `detail` where it is marked so, else empty."""
        return next((role for mark, role in ROLES.items() if self.marker and issubclass(self.marker, mark)), "")

    @property
    def optional(self) -> bool:
        """None will do, so it may be left out."""
        return self.default is not REQUIRED or _optional(self.annotation)

    @functools.cached_property
    def plain_default(self) -> Any:
        """The default as plain JSON data."""
        return self.adapter.dump_python(self.default, mode="json")

    @functools.cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Pydantic's validator of the type. Raises UsageError where it knows no JSON form of it."""
        from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

        try:
            try:
                return TypeAdapter(self.annotation, config=ConfigDict(coerce_numbers_to_str=True))
            except PydanticSchemaGenerationError:
                raise
            except PydanticUserError:  # models and dataclasses bring a configuration of their own
                return TypeAdapter(self.annotation)
        except PydanticSchemaGenerationError:
            raise UsageError(
                f"The argument {self.name} is annotated {self.annotation!r}, which has no JSON form; use str, int, "
                "float, bool, Literal, list, dict, a dataclass or a pydantic model."
            ) from None

    @functools.cached_property
    def schema(self) -> dict[str, Any]:
        """The compact JSON schema of this argument."""
        full = self.adapter.json_schema()
        out = _compact(full, full.get("$defs", {}), None if self.text else _limit(self.annotation))
        if self.description:
            out["description"] = self.description
        if self.default is not REQUIRED and self.default is not None:
            out["default"] = self.plain_default
        return out

    def validate(self, value: Any) -> Any:
        """VALUE as the function takes it. Raises ToolError with a sentence for the model."""
        from pydantic import ValidationError

        try:
            return self.adapter.validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in (self.name, *first["loc"]))
            raise ToolError(
                f"The argument {where} does not fit: {first['msg']}, not {_brief(first['input'])}."
            ) from None

    def canonical(self, value: Any) -> Any:
        """VALUE checked and as plain JSON data in its one spelling."""
        value = self.adapter.dump_python(self.validate(value), mode="json")
        if not self.path:
            return value
        slash = bool(getattr(self.marker, "keeps_slash", False))
        return [_path(v, slash) for v in value] if isinstance(value, list) else _path(value, slash)


def _path(value: Any, keeps_slash: bool) -> Any:
    if not isinstance(value, str):
        return value
    path = canonical_path(value)
    return path + "/" if keeps_slash and value.rstrip().endswith("/") and path not in (".", "/") else path


def read_arguments(function: Callable[..., Any], names: Mapping[str, Any]) -> tuple[tuple[Argument, ...], bool]:
    """The arguments of FUNCTION, and whether its first parameter takes the ToolContext. NAMES are local to annotations.

    Raises UsageError where the function cannot be a tool.
    """
    called = getattr(function, "__name__", "tool")
    known = {"ToolContext": ToolContext, "Observation": Observation, **getattr(function, "__globals__", {})}
    try:
        hints = typing.get_type_hints(function, known, dict(names), include_extras=True)
    except (NameError, TypeError) as error:
        raise UsageError(
            f"The annotations of the tool {called} cannot be read: {error}; import what it names."
        ) from None
    docs = docstring_arguments(inspect.getdoc(function) or "")
    arguments: list[Argument] = []
    takes_context = False
    for at, parameter in enumerate(inspect.signature(function).parameters.values()):
        hint = hints.get(parameter.name, parameter.empty)
        if at == 0 and (hint is ToolContext or (parameter.name == "context" and hint is parameter.empty)):
            takes_context = True
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise UsageError(
                f"The tool {called} takes {parameter}; a tool's arguments need names and types of their own."
            )
        if hint is parameter.empty:
            hint = str if parameter.default in (parameter.empty, None) else type(parameter.default)
        arguments.append(Argument(parameter.name, hint, parameter.default, docs.get(parameter.name, ""), _marker(hint)))
    return tuple(arguments), takes_context


def object_schema(arguments: tuple[Argument, ...]) -> dict[str, Any]:
    """The JSON schema of all ARGUMENTS as one object."""
    out: dict[str, Any] = {"type": "object", "properties": {a.name: a.schema for a in arguments}}
    required = [a.name for a in arguments if not a.optional]
    return {**out, **({"required": required} if required else {}), "additionalProperties": False}


def signature_line(tool: Tool) -> str:
    """TOOL in one line for a prompt: `read_file(path: str, page: int = 1): Read a text file, page by page.`"""
    required = tool.schema.get("required", ())
    shown = []
    for name, schema in tool.schema.get("properties", {}).items():
        kind = "<written later>" if name in tool.text else _type_name(schema)
        if "default" in schema:
            kind += f" = {json.dumps(schema['default'], ensure_ascii=False)}"
        shown.append(f"{name}: {kind}" if name in required or "default" in schema else f"{name}?: {kind}")
    return f"{tool.name}({', '.join(shown)})" + (f": {tool.description}" if tool.description else "")


def docstring_arguments(doc: str) -> dict[str, str]:
    """Descriptions of arguments in a docstring, Google (`Args:`), NumPy (`Parameters`) or Sphinx (`:param x:`)."""
    out = {name: " ".join(text.split()) for name, text in re.findall(r":param (?:[\w\[\], |]+ )?(\w+): *(.+)", doc)}
    google = re.search(r"^(?:Args|Arguments|Parameters):[ \t]*\n((?:[ \t]+.*(?:\n|$)|[ \t]*\n)+)", doc, re.MULTILINE)
    numpy = re.search(r"^Parameters[ \t]*\n-{3,}[ \t]*\n((?:(?!^\S.*\n-{3,}).*(?:\n|$))+)", doc, re.MULTILINE)
    if google:
        out.update(_indented(inspect.cleandoc(google[1]), r"^(\w+)(?: *\([^)]*\))?: *(.*)"))
    elif numpy:
        out.update(_indented(inspect.cleandoc(numpy[1]), r"^(\w+)(?: *:.*)?()$"))
    return out


def _indented(block: str, head: str) -> dict[str, str]:
    out: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in block.splitlines():
        found = None if line[:1].isspace() else re.match(head, line)
        if found:
            lines = out.setdefault(found[1], [found[2]])
        else:
            lines.append(line)
    return {name: " ".join(" ".join(text).split()) for name, text in out.items()}


def _marker(annotation: Any) -> type | None:
    """The mark (Text, Code, WorkspacePath, Link and their kin) somewhere in ANNOTATION."""
    for extra in getattr(annotation, "__metadata__", ()):
        kind = extra if isinstance(extra, type) else type(extra)
        if issubclass(kind, (Text, WorkspacePath, *ROLES)):
            return kind
    return next((found for inner in typing.get_args(annotation) if (found := _marker(inner))), None)


def _limit(annotation: Any) -> int:
    limits = [extra.max_length for extra in getattr(annotation, "__metadata__", ()) if isinstance(extra, Limit)]
    return limits[-1] if limits else MAX_STRING


def _optional(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        return _optional(typing.get_args(annotation)[0])
    return typing.get_origin(annotation) in (typing.Union, types.UnionType) and type(None) in typing.get_args(
        annotation
    )


def _compact(schema: Any, defs: Mapping[str, Any], string_limit: int | None, depth: int = 0) -> dict[str, Any]:
    """SCHEMA without titles, references and null, and with limits on strings and arrays."""
    if not isinstance(schema, dict) or depth > 12:  # depth: a type that refers to itself
        return {}
    if "$ref" in schema:
        target = defs.get(schema["$ref"].rsplit("/", 1)[-1], {})
        schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
    inner = functools.partial(_compact, defs=defs, string_limit=string_limit, depth=depth + 1)
    out = {k: v for k, v in schema.items() if k not in ("title", "$defs")}
    for key in ("anyOf", "oneOf"):
        if key in out:
            kept = [inner(s) for s in out.pop(key) if s.get("type") != "null"]
            out.pop("discriminator", None)
            out = {**kept[0], **out} if len(kept) == 1 else {**out, "anyOf": kept}
            if out.get("default", ...) is None:
                del out["default"]
    for key in ("items", "additionalProperties"):
        if isinstance(out.get(key), dict):
            out[key] = inner(out[key])
    if "properties" in out:
        out["properties"] = {k: inner(v) for k, v in out["properties"].items()}
    if "prefixItems" in out:
        out["prefixItems"] = [inner(s) for s in out["prefixItems"]]
    if "const" in out:
        out["enum"] = [out.pop("const")]
    if out.get("type") == "string" and string_limit and not out.keys() & {"enum", "maxLength", "pattern", "format"}:
        out["maxLength"] = string_limit
    if out.get("type") == "array" and "maxItems" not in out:
        out["maxItems"] = MAX_ITEMS
    return out


def _type_name(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "|".join(json.dumps(v, ensure_ascii=False) for v in schema["enum"])
    if "anyOf" in schema:
        return "|".join(dict.fromkeys(_type_name(s) for s in schema["anyOf"]))
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list[{_type_name(schema.get('items', {}))}]"
    if kind == "object" and "properties" in schema:
        return "{" + ", ".join(f"{k}: {_type_name(v)}" for k, v in schema["properties"].items()) + "}"
    names = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "object": "dict"}
    return names.get(str(kind), str(kind))


def _brief(value: Any) -> str:
    text = repr(value) if not isinstance(value, str) else json.dumps(value[:80], ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"
