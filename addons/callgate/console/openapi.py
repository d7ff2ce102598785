"""The description of the JSON API, in OpenAPI 3.1."""

from __future__ import annotations

from callgate import __version__
from callgate.approvals import MOST_MINUTES
from callgate.canonical import Json
from callgate.console.views import FILTERS
from callgate.model import ApprovalState, Effect


def _schema(name: str) -> dict[str, Json]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: dict[str, Json]) -> dict[str, Json]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _answers(description: str, schema: dict[str, Json], **errors: str) -> dict[str, Json]:
    """A good answer, and errors by their status as `s404`."""
    errors = {
        "s401": "no token, or one that is not known",
        "s429": "too many wrong tokens",
        "s503": "the store does not answer",
        **errors,
    }
    wrong: dict[str, Json] = {
        status[1:]: _answer(why, _schema("Error")) for status, why in sorted(errors.items())
    }
    return {"200": _answer(description, schema), **wrong}


def _query(name: str, description: str, schema: dict[str, Json]) -> dict[str, Json]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _path(name: str, description: str) -> dict[str, Json]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": _TEXT,
    }


def _object(required: list[Json], **properties: Json) -> dict[str, Json]:
    return {"type": "object", "required": required, "properties": properties}


def _list(items: dict[str, Json]) -> dict[str, Json]:
    return {"type": "array", "items": items}


_TEXT: dict[str, Json] = {"type": "string"}
_TIME: dict[str, Json] = {"type": "string", "format": "date-time"}
_MAYBE_TIME: dict[str, Json] = {"type": ["string", "null"], "format": "date-time"}
_STATE: dict[str, Json] = {"type": "string", "enum": list(ApprovalState)}
_EFFECT: dict[str, Json] = {"type": "string", "enum": list(Effect)}

_SCHEMAS: dict[str, Json] = {
    "Error": _object(["error"], error=_object(["code", "message"], code=_TEXT, message=_TEXT)),
    "Record": {
        **_object(["seq", "at", "kind", "instance"], seq={"type": "integer"}, at=_TIME, kind=_TEXT),
        "description": "A record of the audit log; empty fields are left out.",
    },
    "Call": {
        "allOf": [
            _schema("Record"),
            _object(
                ["trace", "tool", "decision"],
                trace=_TEXT,
                surface=_TEXT,
                call=_TEXT,
                tool=_TEXT,
                agent=_TEXT,
                assistant=_TEXT,
                decision=_EFFECT,
                reasons=_list(_TEXT),
                risk={"type": "number", "minimum": 0, "maximum": 1},
                arguments={**_TEXT, "description": "redacted"},
                approval=_TEXT,
                state={**_STATE, "description": "of the approval, as it stands now"},
            ),
        ]
    },
    "WholeCall": {
        "allOf": [
            _schema("Call"),
            _object(
                ["effect", "notice", "history"],
                effect={**_EFFECT, "description": "the decision as it stands now"},
                notice={
                    **_TEXT,
                    "description": "what stands in for the result; empty where it may pass",
                },
                history=_list(_schema("Record")),
            ),
        ]
    },
    "Approval": _object(
        ["id", "state", "tool", "arguments", "trace", "created_at", "expires_at"],
        id=_TEXT,
        state=_STATE,
        tool=_TEXT,
        arguments={**_TEXT, "description": "redacted"},
        agent=_TEXT,
        assistant=_TEXT,
        reasons=_list(_TEXT),
        trace=_TEXT,
        created_at=_TIME,
        expires_at=_TIME,
        url=_TEXT,
        decided_at=_MAYBE_TIME,
        decided_by=_TEXT,
        note=_TEXT,
        good_until=_MAYBE_TIME,
    ),
    "Answer": _object(
        ["answer"],
        answer={"type": "string", "enum": ["approve", "deny"]},
        note={**_TEXT, "description": "why; kept in the audit log"},
        minutes={
            "type": "integer",
            "minimum": 0,
            "maximum": MOST_MINUTES,
            "description": "approve every call like this one for so long",
        },
    ),
}

_FILTERS: list[Json] = [
    _query(name, f"only calls with this {name}, whatever the case", _TEXT) for name in FILTERS
]

DESCRIPTION: dict[str, Json] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Callgate",
        "version": __version__,
        "description": "Judged tool calls, and the approvals that wait for a person.",
        "license": {"name": "MIT", "identifier": "MIT"},
    },
    "servers": [{"url": "/"}],
    "security": [{"token": []}],
    "paths": {
        "/api/calls": {
            "get": {
                "operationId": "listCalls",
                "summary": "Judged calls, newest first",
                "parameters": [
                    *_FILTERS,
                    _query("q", "text in any of the call's values", _TEXT),
                    _query("before", "`older` of the page before", {"type": "integer"}),
                    _query("limit", "how many", {"type": "integer", "minimum": 1, "maximum": 500}),
                ],
                "responses": _answers(
                    "A page of calls",
                    _object(
                        ["calls", "older"],
                        calls=_list(_schema("Call")),
                        older={"type": ["integer", "null"]},
                    ),
                    s400="a parameter is wrong",
                ),
            }
        },
        "/api/calls/{trace}": {
            "get": {
                "operationId": "readCall",
                "summary": "Everything about one call",
                "parameters": [_path("trace", "the call's trace id")],
                "responses": _answers("The call", _schema("WholeCall"), s404="no such call"),
            }
        },
        "/api/approvals": {
            "get": {
                "operationId": "listApprovals",
                "summary": "Approvals, oldest first",
                "parameters": [
                    _query(
                        "state",
                        "`pending` where it is left out",
                        {"type": "string", "enum": [*ApprovalState, "all"]},
                    )
                ],
                "responses": _answers(
                    "Approvals",
                    _object(["approvals"], approvals=_list(_schema("Approval"))),
                    s400="no such state",
                ),
            }
        },
        "/api/approvals/{id}": {
            "parameters": [_path("id", "the approval's id")],
            "get": {
                "operationId": "readApproval",
                "summary": "One approval",
                "responses": _answers("The approval", _schema("Approval"), s404="no such approval"),
            },
            "post": {
                "operationId": "answerApproval",
                "summary": "Approve or deny, in the name of the token's owner",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": _schema("Answer")}},
                },
                "responses": _answers(
                    "The approval as it is now",
                    _schema("Approval"),
                    s400="the body is not an answer",
                    s404="no such approval",
                    s409="answered before, or expired",
                    s413="the body is too large",
                ),
            },
        },
    },
    "components": {
        "schemas": _SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    },
}
