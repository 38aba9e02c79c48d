"""Rules of permission that outlive a run: what a person allowed or forbade in a folder, or for good."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

from wornpath.core import Rule, StoreError, UsageError, from_json, to_json
from wornpath.store.database import Database


def add(database: Database, rule: Rule) -> Rule:
    """RULE as it is kept, with its number and time."""
    place = os.path.normpath(rule.where) if rule.scope == "folder" else ""
    kept = replace(rule, where=place, id=0, time=time.time())
    with database.write() as db:
        text = json.dumps(to_json(kept), ensure_ascii=False)
        values = (kept.scope, place, kept.time, text)
        number = db.execute("INSERT INTO rules (scope, place, time, rule) VALUES (?, ?, ?, ?)", values).lastrowid
    assert number is not None
    return replace(kept, id=number)


def all_rules(database: Database, folder: str | None) -> list[Rule]:
    """The rules that hold in FOLDER (those of the folders above it too), or all of them."""
    with database.read() as db:
        rows = db.execute("SELECT id, rule FROM rules ORDER BY id").fetchall()
    rules = []
    for number, text in rows:
        try:
            rules.append(replace(from_json(Rule, json.loads(text)), id=number))
        except (ValueError, TypeError) as error:  # a rule passed over could be the one that forbids
            raise StoreError(f"Rule {number} is damaged; remove it with: wornpath rules rm {number}") from error
    if folder is None:
        return rules
    here = os.path.normpath(folder)
    return [r for r in rules if r.scope == "always" or (here + "/").startswith(r.where.rstrip("/") + "/")]


def remove(database: Database, number: int) -> None:
    with database.write() as db:
        if abs(number) >= 1 << 62 or not db.execute("DELETE FROM rules WHERE id = ?", (number,)).rowcount:
            raise UsageError(f"There is no rule {number}; `wornpath rules ls` lists them.")
