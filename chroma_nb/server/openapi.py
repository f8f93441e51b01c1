"""The OpenAPI document of the server, drawn from the table of endpoints."""

from __future__ import annotations

import re

from chroma_nb.backends.endpoints import API_PATH, ENDPOINTS, Route
from chroma_nb.backends.wire.fields import Body
from chroma_nb.operations import requests as ops
from chroma_nb.types import Json

_ERROR = {"$ref": "#/components/schemas/ErrorResponse"}


def document() -> Json:
    """Every path with its method, parameters, body and answers."""
    paths: dict[str, Json] = {}
    for kind, endpoint in ENDPOINTS.items():
        if (route := endpoint.route) is not None:
            paths.setdefault(API_PATH + route.path, {})[route.method.lower()] = _call(kind, route)
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


def _call(kind: type[ops.AnyRequest], route: Route) -> Json:
    parts = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    query = [{"name": field.name, "in": "query", "schema": field.kind.schema} for field in route.query.fields]
    described: Json = {
        "operationId": re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower(),
        "parameters": parts + query,
        "responses": {
            str(route.status): _answer("done"),
            "4XX": _answer("refused", _ERROR),
            "500": _answer("failed", _ERROR),
        },
    }
    if route.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _body(route.body)}},
        }
    return described


def _body(body: Body) -> Json:
    schema: Json = {
        "type": "object",
        "properties": {field.name: field.kind.schema for field in body.fields},
    }
    required = [field.name for field in body.fields if field.required]
    return schema | {"required": required} if required else schema


def _answer(description: str, schema: Json | None = None) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema or {}}}}
