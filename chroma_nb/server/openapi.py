"""The OpenAPI document of the server, drawn from its tables."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from chroma_nb.backends.http.codec import API_PATH, CODECS
from chroma_nb.operations import requests as ops
from chroma_nb.server.bodies import KINDS, Field
from chroma_nb.server.calls import OPERATIONS

_ERROR = {"$ref": "#/components/schemas/ErrorResponse"}


@cache
def document() -> dict[str, Any]:
    """Every path with its method, parameters, body and answers."""
    paths: dict[str, dict[str, Any]] = {}
    for kind in OPERATIONS:
        codec = CODECS[kind]
        paths.setdefault(API_PATH + codec.path, {})[codec.method.lower()] = _call(kind)
    paths[API_PATH + "/healthcheck"] = {
        "get": {
            "operationId": "healthcheck",
            "summary": "Whether the server is ready to answer.",
            "responses": {"200": _answer("ready"), "503": _answer("starting or stopping")},
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "chroma-nb", "version": "2", "description": "Chroma's REST API v2 over chroma_nb's engine."},
        "paths": paths,
        "components": {
            "schemas": {
                "ErrorResponse": {
                    "type": "object",
                    "required": ["error", "message"],
                    "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
                }
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "token": {"type": "apiKey", "in": "header", "name": "X-Chroma-Token"},
            },
        },
        "security": [{}, {"bearer": []}, {"token": []}],
    }


def _call(kind: type[ops.Request[Any]]) -> dict[str, Any]:
    operation, codec = OPERATIONS[kind], CODECS[kind]
    parts = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", codec.path)
    ]
    query = [
        {"name": name, "in": "query", "schema": {"type": "string" if name == "read_level" else "integer"}}
        for name in operation.query
    ]
    described: dict[str, Any] = {
        "operationId": re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower(),
        "parameters": parts + query,
        "responses": {
            str(operation.status): _answer("done"),
            "4XX": _answer("refused", _ERROR),
            "500": _answer("failed", _ERROR),
        },
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _body(operation.body)}},
        }
    return described


def _body(fields: tuple[Field, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: KINDS[field.kind].schema for field in fields},
    }
    required = [field.name for field in fields if field.required]
    return schema | {"required": required} if required else schema


def _answer(description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema or {}}}}
