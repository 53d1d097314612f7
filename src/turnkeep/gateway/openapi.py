"""The OpenAPI document, made from the table of routes, so that it lists what is served and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

from .._version import __version__
from .http import Route

Json = dict[str, Any]  # Any: JSON

_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_TEXT = frozenset({"/metrics"})  # answered as plain text
_STATUSES = {
    "400": "What was asked for cannot be done as asked.",
    "401": "A key is needed, or it is not known.",
    "403": "The request comes from a place that may not call.",
    "404": "There is none of that id.",
    "408": "The body did not come.",
    "409": "Another request is at it.",
    "413": "The body is too large.",
    "415": "The body is compressed.",
    "429": "Too many requests wait.",
    "502": "The engine failed.",
    "503": "The engine is not ready, or there is no room for now.",
    "504": "The engine was too slow.",
}


def describe_routes(routes: Sequence[Route]) -> Json:
    """The document of these routes."""
    paths: dict[str, Json] = {}
    for route in routes:
        found = _describe(route)
        if route.method == "POST" and (links := _find_links(route, routes)):
            found["responses"]["200"]["links"] = links
        paths.setdefault(_path_of(route), {})[route.method.lower()] = found
    return {
        "openapi": "3.1.0",
        "info": {"title": "turnkeep", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _path_of(route: Route) -> str:
    return route.pattern.replace("*}", "}")


def _name_of(route: Route) -> str:
    return f"{route.method.lower()}{_path_of(route).translate(_TO_NAME)}"


def _find_links(route: Route, routes: Sequence[Route]) -> Json:
    """What can be done next with what a POST has made: the routes of its path with an id behind it."""
    below = [other for other in routes if other.pattern.startswith(f"{route.pattern}/{{")]
    made = "$response.body#/data/0/id" if "{" in route.pattern else "$response.body#/id"
    return {
        _name_of(other): {"operationId": _name_of(other), "parameters": _link_parameters(other, made)}
        for other in below
        if _names_in(other.pattern)[:-1] == _names_in(route.pattern)
    }


def _link_parameters(route: Route, made: str) -> Json:
    *given, own = _names_in(route.pattern)
    return {**{name: f"$request.path.{name}" for name in given}, own: made}


def _names_in(pattern: str) -> list[str]:
    return [part.strip("{*}") for part in pattern.split("/") if part.startswith("{")]


def _describe(route: Route) -> Json:
    found: Json = {
        "summary": route.summary,
        "operationId": _name_of(route),
        "responses": {"200": _describe_success(route), **_describe_errors()},
        "security": [{}] if route.open else [{}, {"key": []}],
    }
    if names := _names_in(route.pattern):
        found["parameters"] = [_describe_parameter(name) for name in names]
    if route.body is not None:
        found["requestBody"] = _describe_body(route.body)
    return found


_TO_NAME = str.maketrans({"/": "_", ".": "_", "{": None, "}": None})


def _describe_parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _describe_body(schema: Mapping[str, Any]) -> Json:
    return {"required": bool(schema.get("required")), "content": {"application/json": {"schema": schema}}}


def _describe_success(route: Route) -> Json:
    if route.pattern in _TEXT:
        return {"description": "As asked.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    content: Json = {"application/json": {"schema": {"type": "object"}}}
    if "stream" in (route.body or {}).get("properties", {}):
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {"description": "As asked.", "content": content}


def _describe_errors() -> Json:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": what, "content": content} for status, what in _STATUSES.items()}
