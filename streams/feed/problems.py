"""Errors as problem+json (RFC 9457): what is wrong, where, and what to do; never a stack trace."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from audio.errors import VigieError
from streams.feed.models import Problem

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("vigie.feed")


class RefusedError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, title: str, **told: str | None) -> None:
        super().__init__(title)
        self.status, self.title, self.told = status, title, told
        self.headers: dict[str, str] = {}


class UnconfirmedError(VigieError):
    """What was asked may have happened, and nobody has said that it did."""


def not_found(what: str) -> RefusedError:
    # What is not for these eyes is not there: a refusal would tell that it exists.
    return RefusedError(404, f"There is no such {what}", remedy="It may have expired, or belong to another site")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an endpoint for its OpenAPI entry."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"model": Problem, "description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}}
        for status in statuses
    }


def answer(status: int, title: str, headers: dict[str, str] | None = None, **told: Any) -> JSONResponse:
    body = {"type": "about:blank", "title": title, "status": status, **{k: v for k, v in told.items() if v is not None}}
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def store_gone() -> JSONResponse:
    return answer(503, "The store does not answer", {"Retry-After": "5"}, remedy="Try again in a moment")


def install(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    def refused(_: Request, error: RefusedError) -> JSONResponse:
        return answer(error.status, error.title, error.headers, **error.told)

    @app.exception_handler(VigieError)
    def mistaken(_: Request, error: VigieError) -> JSONResponse:
        return answer(422, error.problem, remedy=error.remedy, field=error.field)

    @app.exception_handler(UnconfirmedError)
    def unconfirmed(_: Request, error: UnconfirmedError) -> JSONResponse:
        return answer(503, error.problem, {"Retry-After": "5"}, remedy=error.remedy)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part not in ("query", "body", "path", "header"))
        return answer(422, "That is no valid request", field=field or None, detail=first["msg"])

    @app.exception_handler(HTTPException)
    def other(_: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers) if error.headers else None
        return answer(error.status_code, HTTPStatus(error.status_code).phrase, headers)

    @app.exception_handler(SQLAlchemyError)
    def gone(_: Request, error: SQLAlchemyError) -> JSONResponse:
        log.error("the store does not answer: %s", type(error).__name__)
        return store_gone()
