"""Reading what clients send: JSON up to a size, and files straight to the disk."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from wornpath.serve.problems import Problem

MAX_JSON = 1 << 20
MAX_FILES = 1000
B = TypeVar("B", bound=BaseModel)


@dataclass(slots=True)
class Form:
    """A multipart request: its fields, and its files as they lie on the disk."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, UploadFile]] = field(default_factory=list)

    async def close(self) -> None:
        for _, file in self.files:
            await file.close()


async def read_json(request: Request, *, empty: bool = False) -> Any:
    """The JSON that was sent; {} for nothing at all, if that may be. Raises Problem."""
    raw = b"".join([chunk async for chunk in limited(request, MAX_JSON)])
    if not raw.strip() and empty:
        return {}
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Problem(
            400, f"The body is not valid JSON{where}; send an object with content type application/json."
        ) from None
    if not isinstance(data, dict):
        raise Problem(
            400, "The body is JSON, but no object; send {...} with the fields that /api/v1/openapi.json lists."
        )
    return data


async def read_body(request: Request, form: type[B], *, empty: bool = False) -> B:
    """The JSON that was sent as FORM. Raises Problem 422 naming the field that does not fit."""
    return checked(await read_json(request, empty=empty), form)


def checked(data: Any, form: type[B]) -> B:
    try:
        return form.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        if first["type"] == "extra_forbidden":
            raise Problem(422, f"There is no field {where} here; known are {', '.join(form.model_fields)}.") from None
        if first["type"] == "missing":
            raise Problem(422, f"The field {where} is missing.") from None
        said = str(first["msg"])
        raise Problem(422, f"The field {where} does not fit: {said[:1].lower()}{said[1:]}.") from None


async def limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body in pieces. Raises Problem 413 as soon as it is known to be longer than MOST bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > most:
            raise _too_large(most)
        yield chunk


def _too_large(most: int) -> Problem:
    size = f"{most >> 20} MiB" if most >= 1 << 20 else f"{most:,} bytes"
    detail = f"The request is too large: at most {size} are taken. Put large files into the workspace yourself."
    return Problem(413, detail, {"connection": "close"})


def is_multipart(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data"


async def read_form(request: Request, most: int) -> Form:
    """The fields and files of a multipart request of at most MOST bytes. Close it afterwards. Raises Problem."""
    if not is_multipart(request):
        raise Problem(415, "Send the files as multipart/form-data.")
    parser = MultiPartParser(
        request.headers, limited(request, most), max_files=MAX_FILES, max_fields=100, max_part_size=MAX_JSON
    )
    try:
        data: FormData = await parser.parse()
    except MultiPartException as error:
        raise Problem(400, f"The form cannot be read: {error.message.rstrip('.')}.") from None
    form = Form()
    for name, value in data.multi_items():
        if isinstance(value, UploadFile):
            form.files.append((name, value))
        else:
            form.fields[name] = value
    return form
