"""What is doubted: templates that a run with words from outside taught. They are not recalled until a run without such words came to the
same by itself, or several runs with such words did, each by itself: what one text from outside can bring about is not brought about by
the texts of other days. Work on mail would be learnt never else.

A table beside the memory's own: (run, template). It also has what a run was recalled to, since that run did not come to it by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

SCHEMA = (
    "create table if not exists doubted (run_id text not null, template text not null, primary key (run_id, template))"
)
WITNESSES = 3
"""So many runs with words from outside, each of which came to a template by itself, vouch for it like one without."""
_VOUCHED = """select 1 from taught join family on family.id = taught.family where name = ? and template = ?
    and not exists (select 1 from doubted where doubted.run_id = taught.run_id and doubted.template = taught.template) limit 1"""

_TAUGHT = """select count(distinct run_id) from taught join family on family.id = taught.family where name = ? and template = ?
    and (select count(*) from taught mine where (mine.family, mine.template, mine.run_id) = (taught.family, taught.template, taught.run_id))
    = (select count(*) from used where (used.family, used.template, used.run_id) = (taught.family, taught.template, taught.run_id)
    and not instr(position, ' @ '))"""
"""The runs that taught a template wherever they used it: one that was recalled to it somewhere used it more often than it taught it."""


def note(db: sqlite3.Connection, run_id: str, templates: Iterable[str]) -> None:
    """Keep that RUN_ID vouches for none of TEMPLATES."""
    db.executemany("insert or ignore into doubted values (?, ?)", [(run_id, template) for template in set(templates)])


def forget(db: sqlite3.Connection, run_id: str) -> None:
    db.execute("delete from doubted where run_id = ?", (run_id,))


def vouched(db: sqlite3.Connection, family: str, template: str) -> bool:
    """Whether a run without words from outside taught TEMPLATE in FAMILY, or WITNESSES runs with them did."""
    if db.execute(_VOUCHED, (family, template)).fetchone() is not None:
        return True
    (runs,) = db.execute(_TAUGHT, (family, template)).fetchone()
    return bool(runs >= WITNESSES)
