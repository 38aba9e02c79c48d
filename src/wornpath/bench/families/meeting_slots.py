"""When is everyone free? Common gaps of a day in several calendars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, csv_bytes, table_check, write
from wornpath.core import Task

FOLDERS_TRAIN = ("calendars", "team", "cal", "people/calendars")
FOLDERS_TEST = ("agendas", "staff/ics")
OUTPUTS_TRAIN = ("slots.csv", "free.csv", "out/slots.csv")
OUTPUTS_TEST = ("gaps.csv", "result/when.csv")
COLUMNS = ((("start", "end"), ("from", "to")), (("begin", "until"),))
TITLES = ("Call", "Review", "Lunch", "Training", "Doctor", "Interview")
GOALS_TRAIN = (
    "Find the times on {day} between {early} and {late} when everyone with a calendar in {folder}/ is free for "
    "at least {least} minutes; write them to "
    "{output} with the columns {columns} (HH:MM, in order)",
    "Meeting slots: from the calendars in {folder}/, all common gaps of {least} minutes or more on {day} from "
    "{early} to {late}. Save them as {output}, "
    "columns {columns}, as HH:MM in order",
    "根据 {folder}/ 里的日历，找出 {day} {early} 到 {late} 之间所有人都有空、至少 {least} 分钟的时段，写入 "
    "{output}，列为 {columns}（HH:MM，按顺序）",
)
GOALS_TEST = (
    "When can all the people whose calendars are in {folder}/ meet on {day}? List each gap of at least {least} "
    "minutes between {early} and {late} in "
    "{output}, columns {columns}, HH:MM, in order",
    "请从 {folder}/ 的日历中列出 {day} 在 {early} 和 {late} 之间大家共同空闲不少于 {least} 分钟的时间段，存为 "
    "{output}（列 {columns}，HH:MM，按顺序）",
)
Spans = list[tuple[int, int]]


def draw(seed: int) -> Draw:
    dice = Dice("meeting_slots", seed)
    day, other = dice.different(dice.date, 2)
    early, late, least = dice.pick((8, 9)) * 60, dice.pick((16, 17, 18)) * 60, dice.pick((30, 45, 60))
    folder, output = dice.either(FOLDERS_TRAIN, FOLDERS_TEST), dice.either(OUTPUTS_TRAIN, OUTPUTS_TEST)
    columns = dice.either(*COLUMNS)
    zone = dice.pick(("", "", "Z"))
    while True:
        calendars = {person: events(dice, early, late) for person in several(dice)}
        busy = sorted(span for spans in calendars.values() for span in spans)
        right = gaps(busy, early, late, least)
        one = gaps(sorted(next(iter(calendars.values()))), early, late, least)
        if right and one != right and gaps(busy, early, late, 1) != right:
            break
    files = {}
    for person, spans in calendars.items():
        noise = [(day_start, day_start + 60) for day_start in dice.rng.sample(range(early, late - 60, 60), 2)]
        blocks = [*((day, s) for s in spans), *((other, s) for s in noise)]
        files[f"{folder}/{person.split()[0].lower()}.ics"] = calendar(dice, person, dice.shuffled(blocks), zone)
    goal = dice.either(GOALS_TRAIN, GOALS_TEST).format(
        day=day,
        early=clock(early),
        late=clock(late),
        least=least,
        folder=folder,
        output=output,
        columns=",".join(columns),
    )

    def saved(spans: Spans) -> Callable[[Path], None]:
        return lambda root: write(root, output, csv_bytes([columns, *rows(spans)]))

    return Draw(
        Task(goal, dict(sorted(files.items())), (table_check(output, [columns, *rows(right)]),)),
        saved(right),
        {
            "one calendar only": saved(one),
            "short gaps too": saved(gaps(busy, early, late, 1)),
            "the busy times": saved(merged(busy)),
        },
    )


def several(dice: Dice) -> list[str]:
    """A few people with different first names, as their calendars are called by these."""
    return list({person.split()[0]: person for person in dice.people(dice.number(3, 4))}.values())


def events(dice: Dice, early: int, late: int) -> Spans:
    found = []
    for _ in range(dice.number(2, 4)):
        start = early + 15 * dice.number(0, (late - early) // 15 - 4)
        found.append((start, min(start + 15 * dice.number(2, 7), late)))
    return found


def merged(busy: Spans) -> Spans:
    out: Spans = []
    for start, end in busy:
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def gaps(busy: Spans, early: int, late: int, least: int) -> Spans:
    free, at = [], early
    for start, end in [*merged(busy), (late, late)]:
        if start - at >= least:
            free.append((at, start))
        at = max(at, end)
    return free


def clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def rows(spans: Spans) -> list[list[str]]:
    return [[clock(start), clock(end)] for start, end in spans]


def calendar(dice: Dice, person: str, blocks: list[tuple[str, tuple[int, int]]], zone: str) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"X-WR-CALNAME:{person}"]
    for number, (day, (start, end)) in enumerate(blocks):
        stamp = day.replace("-", "")
        lines += ["BEGIN:VEVENT", f"UID:{number}@example.org", f"SUMMARY:{dice.pick(TITLES)}"]
        lines += [
            f"DTSTART:{stamp}T{clock(start).replace(':', '')}00{zone}",
            f"DTEND:{stamp}T{clock(end).replace(':', '')}00{zone}",
            "END:VEVENT",
        ]
    return ("\r\n".join([*lines, "END:VCALENDAR"]) + "\r\n").encode()
