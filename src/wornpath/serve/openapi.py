"""The OpenAPI document, made of the same operations as the routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from wornpath.serve.operations import Operation

_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong, and what to do"},
    },
}


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """OpenAPI 3.1 for OPERATIONS below /api/v1."""
    bodies = sorted({op.body for op in operations if op.body is not None}, key=lambda body: body.__name__)
    names, schemas = models_json_schema(
        [(body, "validation") for body in bodies], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for op in operations:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", op.path)
        paths.setdefault(path, {})[op.method.lower()] = _operation(op, path, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Wornpath",
            "version": version,
            "description": "Goals in; events, approvals, artefacts and verdicts out.",
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"bearer": []}, {"query": []}],
        "paths": paths,
        "components": {
            "schemas": {**schemas.get("$defs", {}), "Problem": _PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
    }


def _operation(op: Operation, path: str, names: Any) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    parameters += [{"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in op.query]
    answer: dict[str, Any] = {"description": op.summary}
    if op.status != 204:
        answer["content"] = {
            op.media_type: {"schema": {"type": "object"} if "json" in op.media_type else {"type": "string"}}
        }
    problem = {
        "description": "what is wrong",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    made: dict[str, Any] = {
        "operationId": op.handler.__name__,
        "summary": op.summary,
        "parameters": parameters,
        "responses": {str(op.status): answer, "default": problem},
    }
    if op.body is not None:
        made["requestBody"] = {"content": {"application/json": {"schema": names[(op.body, "validation")]}}}
    return made
