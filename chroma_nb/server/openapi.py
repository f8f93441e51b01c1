"""The OpenAPI document of the server, generated from the table of endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chroma_nb.backends.endpoints import API_PATH, ENDPOINTS, TENANT, Route
from chroma_nb.backends.wire.fields import Body
from chroma_nb.operations import requests as ops
from chroma_nb.types import Json

_ERROR = {"$ref": "#/components/schemas/ErrorResponse"}


def _answer(description: str, schema: Json | None = None) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema or {}}}}


_REFUSED: Json = {"4XX": _answer("refused", _ERROR), "500": _answer("failed", _ERROR)}
#: What the server answers itself, with no endpoint of its own: method and path below the API's -> what it is.
OWN: Mapping[tuple[str, str], Json] = {
    ("GET", ""): {
        "operationId": "root",
        "summary": "As the heartbeat: nanoseconds since the epoch.",
        "responses": {"200": _answer("done")},
    },
    ("GET", "/healthcheck"): {
        "operationId": "healthcheck",
        "summary": "Whether the server is ready.",
        "responses": {"200": _answer("ready"), "503": _answer("starting or stopping")},
    },
    ("PATCH", TENANT): {
        "operationId": "update_tenant",
        "summary": "Takes a resource name for the tenant, and forgets it.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {"200": _answer("done"), **_REFUSED},
    },
    ("GET", "/collections/{crn}"): {
        "operationId": "get_collection_by_crn",
        "summary": "The collection that tenant:database:collection names.",
        "responses": {"200": _answer("done"), **_REFUSED},
    },
}


def document() -> Json:
    """Every path with its method, parameters, body and answers."""
    paths: dict[str, Json] = {}
    for kind, endpoint in ENDPOINTS.items():
        if (route := endpoint.route) is not None:
            paths.setdefault(API_PATH + route.path, {})[route.method.lower()] = _call(kind, route)
    for (method, path), described in OWN.items():
        paths.setdefault(API_PATH + path, {})[method.lower()] = {"parameters": _parts(path), **described}
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


def _parts(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _call(kind: type[ops.AnyRequest], route: Route) -> Json:
    query = [{"name": field.name, "in": "query", "schema": field.kind.schema} for field in route.query.fields]
    described: Json = {
        "operationId": re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower(),
        "parameters": _parts(route.path) + query,
        "responses": {
            str(route.status): _answer("done"),
            **_REFUSED,
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
