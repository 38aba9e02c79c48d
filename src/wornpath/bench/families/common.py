"""What the families share: dice that keep training and test draws apart, names, and checks that run as shell commands.

A check must not name what the work changes, and must hold no pattern such as `*`: the judge puts back the files that a check names or
matches before it runs, so that they count as they were at the start.
"""

from __future__ import annotations

import csv
import io
import random
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wornpath.core import Task

T = TypeVar("T")
TEST_SEED = 1_000_000
"""Seeds from here on are test draws: their names and wordings appear in no training draw."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw of a family: the task, how it is done right, and results that look right and are not.

    `solve` and the values of `wrong` do their work in the folder that `task.write` has laid out; the checks accept the first and reject
    every other.
    """

    task: Task
    solve: Callable[[Path], None]
    wrong: Mapping[str, Callable[[Path], None]]


class Dice:
    """The randomness of one draw. `either` and `some` take a training pool and a test pool and use the one that the seed belongs to."""

    def __init__(self, family: str, seed: int) -> None:
        self.test = seed >= TEST_SEED
        self.rng = random.Random(f"{family}:{seed}")

    def either(self, train: Sequence[T], test: Sequence[T]) -> T:
        return self.rng.choice(test if self.test else train)

    def some(self, train: Sequence[T], test: Sequence[T], count: int) -> list[T]:
        """COUNT different ones, in random order."""
        return self.rng.sample(test if self.test else train, count)

    def pick(self, options: Sequence[T]) -> T:
        return self.rng.choice(options)

    def number(self, low: int, high: int) -> int:
        """From LOW to HIGH, both included."""
        return self.rng.randint(low, high)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def shuffled(self, items: Iterable[T]) -> list[T]:
        out = list(items)
        self.rng.shuffle(out)
        return out

    # -- names -------------------------------------------------------------------------------------

    def company(self) -> str:
        first = self.either(_COMPANY_TRAIN, _COMPANY_TEST)
        return " ".join(filter(None, (first, self.pick(_TRADES), self.pick(_FORMS))))

    def companies(self, count: int) -> list[str]:
        return self.different(self.company, count)

    def person(self) -> str:
        return f"{self.either(_GIVEN_TRAIN, _GIVEN_TEST)} {self.either(_FAMILY_TRAIN, _FAMILY_TEST)}"

    def people(self, count: int) -> list[str]:
        return self.different(self.person, count)

    def folder(self) -> str:
        """A folder's name, sometimes inside another."""
        name = self.either(_FOLDERS_TRAIN, _FOLDERS_TEST)
        return f"{self.either(_ABOVE_TRAIN, _ABOVE_TEST)}/{name}" if self.chance(0.3) else name

    def date(self, year: int = 2026) -> str:
        return f"{year}-{self.number(1, 12):02d}-{self.number(1, 28):02d}"

    def different(self, make: Callable[[], T], count: int, *besides: T) -> list[T]:
        """COUNT different values of MAKE, none of BESIDES among them."""
        found: list[T] = []
        while len(found) < count:
            value = make()
            if value not in found and value not in besides:
                found.append(value)
        return found


def python_check(program: str) -> str:
    """A shell command that runs PROGRAM; its assertions decide."""
    return f"python -c {shlex.quote(program)}"


def csv_bytes(rows: Iterable[Sequence[Any]], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def write(folder: Path, name: str, data: bytes | str) -> None:
    """Put a file into FOLDER, with the folders above it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def move(folder: Path, source: str, target: str) -> None:
    (folder / target).parent.mkdir(parents=True, exist_ok=True)
    (folder / source).rename(folder / target)


def table_check(path: str, rows: Sequence[Sequence[Any]], *, delimiter: str = ",", ordered: bool = True) -> str:
    """A check that PATH is a table of just these ROWS, the first of them the header. Numbers may be a cent off, their format is free."""
    return python_check(
        f"""import csv
truth = {[list(map(str, row)) for row in rows]!r}
got = [row for row in csv.reader(open({path!r}, encoding='utf-8-sig'), delimiter={delimiter!r}) if row]
def same(a, b):
    if a == b:
        return True
    try:
        return abs(float(a) - float(b)) < 0.011
    except ValueError:
        return False
assert len(got) == len(truth) and got[0] == truth[0]
if not {ordered}:
    got[1:], truth[1:] = sorted(got[1:]), sorted(truth[1:])
assert all(len(g) == len(t) and all(map(same, g, t)) for g, t in zip(got, truth))"""
    )


def places_check(folder: str, truth: Mapping[str, str]) -> str:
    """A check that the files below FOLDER are those of TRUTH, name to the folder it should lie in (relative to FOLDER, `.` for itself)."""
    return python_check(
        f"""import os
got = sorted((n, os.path.relpath(at, {folder!r})) for at, _, names in os.walk({folder!r}) for n in names)
assert got == {sorted(truth.items())!r}"""
    )


_COMPANY_TRAIN = (
    *(
        "Harbor",
        "Lumen",
        "Cedar",
        "Northgate",
        "Silver",
        "Maple",
        "Orchard",
        "Quarry",
        "Falcon",
        "Juniper",
        "Tidewater",
    ),
    *("Granite", "Willow", "Beacon", "Copper", "Meadow", "Summit", "Ivory", "Pioneer", "Lakeside"),
)
_COMPANY_TEST = (
    *(
        "Alder",
        "Bluebird",
        "Canyon",
        "Driftwood",
        "Ember",
        "Foxglove",
        "Glacier",
        "Heron",
        "Indigo",
        "Kestrel",
        "Larkspur",
    ),
    *("Monsoon", "Nimbus", "Obsidian", "Pinewood"),
)
_TRADES = (
    *("Books", "Studio", "Bakery", "Logistics", "Dental", "Cycles", "Garden Supply", "Print", "Foods", "Travel"),
    *("Optics", "Marine"),
)
_FORMS = ("Ltd", "GmbH", "Inc", "LLC", "& Sons", "")
_GIVEN_TRAIN = (
    *("Anna", "Boris", "Carla", "David", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Karin", "Luis", "Mona"),
    *("Nils", "Olga", "Pablo"),
)
_GIVEN_TEST = ("Amara", "Bruno", "Chloe", "Dmitri", "Edith", "Felix", "Gina", "Hassan", "Irma", "Jasper", "Kaya", "Leo")
_FAMILY_TRAIN = (
    *("Abel", "Brandt", "Costa", "Dumont", "Eriksen", "Fischer", "Garcia", "Hansen", "Ivanova", "Jansen", "Keller"),
    *("Lopez", "Moretti", "Novak"),
)
_FAMILY_TEST = ("Arslan", "Becker", "Conti", "Dahl", "Evans", "Fontaine", "Grant", "Huber", "Isaksen", "Kaminski")
_FOLDERS_TRAIN = ("letters", "records", "papers", "files", "documents", "material", "incoming", "store", "collection")
_FOLDERS_TEST = ("dossiers", "mailroom", "cabinet", "shelf", "intake", "registry")
_ABOVE_TRAIN = ("office", "work", "archive", "team", "2025")
_ABOVE_TEST = ("admin", "branch", "backup", "2024")
