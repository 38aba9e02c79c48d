"""Plans and results as HTML, for notebooks. Everything that comes from a model, a file or a person is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wornpath.core.words import Plan, Result


def plan_html(plan: Plan | None) -> str:
    """The subtasks with their status; an empty list without a plan."""
    items = "".join(f"<li>{escape(s.description)} <i>{s.status}</i></li>" for s in plan.subtasks) if plan else ""
    return f"<ol>{items}</ol>"


def result_html(result: Result) -> str:
    """How a run ended, what it says, and what it made."""
    source = f" ({result.verdict_source})" if result.verdict_source else ""
    tokens = sum(result.tokens.values())
    facts = (f"{result.steps:,} steps", f"{tokens:,} tokens", f"{result.seconds:.1f} s", f"run {result.run_id}")
    made = "".join(f"<li><code>{escape(a.path)}</code> {a.bytes:,} bytes</li>" for a in result.artifacts)
    said = f"<pre>{escape(result.summary)}</pre>" if result.summary else ""
    line = f"<b>{result.status}</b>{source} · {' · '.join(map(escape, facts))}"
    return f"<p>{line}</p>{said}" + (f"<ul>{made}</ul>" if made else "")
