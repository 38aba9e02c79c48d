"""The bodies of requests, checked at the border; the OpenAPI document is made of these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from wornpath.core import MAX_GOAL

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LimitsBody(Body):
    """Limits of a run that is gone on with, in place of those it had."""

    max_steps: int | None = Field(default=None, ge=1, description="actions")
    max_tokens: int | None = Field(default=None, ge=1, description="language-model tokens")
    max_cost: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="US dollars")
    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="seconds")


class RunRequest(LimitsBody):
    """A goal, handed in."""

    goal: Annotated[Text, Field(max_length=MAX_GOAL)] = Field(description="what should be done, in words")
    workspace: str | None = Field(
        default=None, description="a folder in the server's folder of workspaces; default: a fresh one"
    )
    checks: list[Text] = Field(
        default_factory=list, max_length=50, description="commands that exit 0 when the goal is met"
    )
    model: Text | None = Field(default=None, description="default: the server's own")
    approve: Literal["ask", "on-risk", "never"] | None = Field(default=None, description="which actions ask first")
    candidates: int | None = Field(default=None, ge=1, le=8, description="actions proposed at each step")
    seed: int | None = None
    learn: bool | None = None


class AnswerRequest(Body):
    """The answer to an approval or a question."""

    answer: Literal["allow", "deny", "answer"]
    comment: str = Field(default="", max_length=100_000, description="why it is denied, or the answer to the question")
    arguments: dict[str, Any] | None = Field(
        default=None, description="the action's arguments as they should be, with allow"
    )
    scope: Literal["once", "run", "folder", "always"] = Field(
        default="once", description="for which actions like this one"
    )


class RatingRequest(Body):
    rating: Literal["good", "bad", "none"]
    comment: str = Field(default="", max_length=100_000)


class ActionBody(Body):
    tool: Text
    arguments: dict[str, Any] = Field(default_factory=dict)


class LabelRequest(Body):
    """What should have been done at a step."""

    step: int = Field(ge=1)
    action: ActionBody
    comment: str = Field(default="", max_length=100_000)


class ChatRequest(Body):
    """A question about a run."""

    message: Annotated[Text, Field(max_length=10_000)]


class ScheduleRequest(Body):
    """A goal that is handed in again and again."""

    cron: Text = Field(description="five fields: minute, hour, day of month, month, day of week")
    goal: Annotated[Text, Field(max_length=MAX_GOAL)]
    workspace: str | None = None
    checks: list[Text] = Field(default_factory=list, max_length=50)
