"""What can go wrong with an endpoint, sorted out once, and said in a sentence that never shows a key."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from wornpath.core import ModelAnswerError, ModelUnavailable, Usage, WornpathError

Kind = Literal["status", "timeout", "connection", "garbage", "large"]
_TRANSIENT = frozenset((408, 409, 425, 429))
_TOO_LONG = re.compile(
    r"context.{0,12}(length|size|window)|too many tokens|prompt is too long|maximum context|exceeds? the (available|maximum) context"
)
_SECRETS = re.compile(r"\b(sk|gsk|key|xai|AIza)[-_][\w*.-]{6,}|\bBearer\s+\S+", re.IGNORECASE)
_LINE = 220


@dataclass(frozen=True, slots=True)
class Setters:
    """What set an endpoint's base URL and its key, in the words of an error: a variable, or a line of a file."""

    base_url: str = "OPENAI_BASE_URL"
    api_key: str = "OPENAI_API_KEY"


_setters: dict[str, Setters] = {}


def set_by(base_url: str, setters: Setters) -> None:
    """Let errors of the endpoint at BASE_URL name SETTERS."""
    _setters[base_url.rstrip("/")] = setters


def setters_of(base_url: str) -> Setters:
    return _setters.get(base_url.rstrip("/"), Setters())


class TooLarge(Exception):
    """The endpoint sent more than an answer may have."""


class Fault(Exception):
    """One failed request. `transient` ones are worth another attempt; `refused_option` may be answered by sending fewer options."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        status: int = 0,
        code: str = "",
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.status, self.code, self.param, self.retry_after = (
            kind,
            detail,
            status,
            code,
            param,
            retry_after,
        )
        self.tries = 1
        self.sent = 1
        """All requests that were sent, other forms of the same request and calls beside it among them."""
        self.usage = Usage()
        """What these requests cost all the same, as far as the endpoint said so."""

    @property
    def too_long(self) -> bool:
        return self.status in (400, 413, 422) and bool(
            self.code == "context_length_exceeded" or _TOO_LONG.search(self.detail.lower())
        )

    @property
    def refused_option(self) -> bool:
        return self.status in (400, 422) and self.code != "model_not_found" and not self.too_long

    @property
    def transient(self) -> bool:
        if self.kind == "status":
            return (self.status in _TRANSIENT or self.status >= 500) and self.code != "insufficient_quota"
        return self.kind != "large"

    @classmethod
    def of(cls, error: Exception) -> Fault | None:
        """The fault behind an exception of the SDK, or None when it is none of the endpoint's."""
        import openai

        if isinstance(error, Fault):
            return error
        if isinstance(error, openai.APIStatusError):
            headers = error.response.headers
            fault = cls.of_body(error.body, error.status_code, str(error.response.reason_phrase))
            fault.retry_after = _seconds(headers.get("retry-after-ms"), 1e-3) or _seconds(headers.get("retry-after"))
            if 300 <= error.status_code < 400:
                fault.detail = f"it redirects to {headers.get('location', 'another place')}"
            return fault
        if isinstance(error, (TimeoutError, openai.APITimeoutError)):
            return cls("timeout")
        if isinstance(error, openai.APIConnectionError):
            return cls("connection", str(error.__cause__ or error))
        if isinstance(error, openai.APIError):  # an error within a stream
            return cls.of_body(error.body)
        if isinstance(error, TooLarge):
            return cls("large", str(error))
        if isinstance(error, (ValueError, RecursionError)):
            return cls("garbage")
        return None

    @classmethod
    def of_body(cls, body: Any, status: int | None = None, reason: str = "") -> Fault:
        """The fault that an error object reports; some endpoints send one with status 200."""
        if isinstance(body, dict) and isinstance(body.get("error"), (dict, str)):
            body = body["error"]
        record = body if isinstance(body, dict) else {}
        code = record.get("code")
        if status is None:
            status = code if isinstance(code, int) and 400 <= code < 600 else 500
        detail = record.get("message") or record.get("detail") or (body if isinstance(body, str) else "") or reason
        param = record.get("param")
        return cls(
            "status", str(detail), status=status, code=str(code or ""), param=param if isinstance(param, str) else None
        )

    def for_people(self, where: str, model: str, key: str) -> WornpathError:
        """The error to raise: WHERE is the base URL, KEY what must not be shown. It has this fault's `usage`, for the budget."""
        error = self._for_people(where, model, key)
        error.tries = self.sent
        error.usage = self.usage  # type: ignore[union-attr]
        return error

    def _for_people(self, where: str, model: str, key: str) -> ModelAnswerError | ModelUnavailable:
        detail = self.detail.replace(key, "[key]") if len(key) > 3 else self.detail
        detail = " ".join(_SECRETS.sub("[key]", "".join(c if c.isprintable() else " " for c in detail[:2000])).split())
        if len(detail) > _LINE:
            detail = detail[:_LINE] + "…"
        says = f": {detail.rstrip('.')}" if detail else ""
        if self.too_long:
            return ModelAnswerError(
                f"The prompt is too long for {model} at {where}{says}; shorten the goal or choose a model with more context."
            )
        tries = f" in {self.tries} attempts" if self.tries > 1 else ""
        return ModelUnavailable(self._sentence(where, model, says, tries))

    def _sentence(self, where: str, model: str, says: str, tries: str) -> str:
        place = setters_of(where)
        if self.kind == "timeout":
            return f"{where} did not answer in time{tries}; try again later, or raise the time-out."
        if self.kind == "connection":
            return f"{where} cannot be reached, or broke off its answer{tries}{says}; check the network and {place.base_url}."
        if self.kind == "garbage":
            return f"{where} answered with something that is no chat completion{tries}; check {place.base_url}."
        if self.kind == "large":
            return f"{where} sent an answer{says[1:]}; it was cut off unread."
        if self.status == 401:
            return f"{where} refuses the key (401){says}; check {place.api_key}."
        if self.status == 404 or self.code == "model_not_found":
            return f"{where} has no model {model!r} or no chat completions ({self.status}){says}; check --model and {place.base_url}."
        if self.status == 429:
            wait = f" and asks to wait {self.retry_after:.0f} s" if self.retry_after else ""
            return f"{where} is over its rate limit or quota (429){tries}{wait}{says}; wait, or check the account."
        if self.status >= 500:
            return f"{where} keeps failing ({self.status}){tries}{says}; try again later."
        return f"{where} refuses the request ({self.status}){says}; check --model, {place.base_url} and the account."


def _seconds(value: str | None, unit: float = 1.0) -> float | None:
    """A Retry-After header: seconds, or a date."""
    if not value:
        return None
    try:
        seconds = float(value) * unit
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return seconds if 0 < seconds < 1e9 else None
