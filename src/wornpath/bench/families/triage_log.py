"""Triage logs: how many lines of a level each service wrote, over several files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, csv_bytes, table_check, write
from wornpath.core import Task

SERVICES_TRAIN = ("auth", "billing", "search", "mailer", "gateway", "cache", "orders", "images")
SERVICES_TEST = ("ledger", "signup", "router", "worker", "exports", "quota")
FOLDERS_TRAIN = ("logs", "var/log", "server/logs", "output")
FOLDERS_TEST = ("journal", "app/logs")
OUTPUTS_TRAIN = ("errors.csv", "counts.csv", "triage.csv", "out/summary.csv")
OUTPUTS_TEST = ("tally.csv", "result/levels.csv")
LEVELS = (("ERROR", "WARN"), ("FATAL", "CRITICAL"))
NOISE = ("INFO", "DEBUG")
GROUPS = (("service", "component", "source"), ("module", "unit"))
COUNTS = (("count", "lines", "errors"), ("number", "times"))
MESSAGES = (
    *(
        "connection to db-3 refused",
        "request took 812 ms",
        "retry 2 of 5",
        "user 4471 not found",
        "disk at 91 %",
        "token expired",
    ),
    *("queue is empty", "started", "could not parse header"),
)
LAYOUTS = (
    "{day} {time} {level} [{service}] {message}",
    "{day}T{time}Z {service} {level}: {message}",
    "{day} {time} level={level} service={service} msg={message}",
    "{level}|{day} {time}|{service}|{message}",
)
GOALS_TRAIN = (
    "Count the {level} lines of each {group} in the logs in {folder}/ and write {output} with the columns {group},{count}, sorted "
    "by {group}",
    "Triage the logs in {folder}/: for each {group}, how many {level} lines are there? Save it as {output} (columns {group},{count}), "
    "sorted by {group}",
    "统计 {folder}/ 里日志中每个 {group} 的 {level} 行数，写入 {output}，列为 {group},{count}，按 {group} 排序",
)
GOALS_TEST = (
    "Go through the log files in {folder}/ and tell how often each {group} logged {level}: {output} with the columns {group},{count}, "
    "sorted by {group}",
    "请数一数 {folder}/ 的日志里各 {group} 出现 {level} 的行数，结果存为 {output}（列 {group},{count}，按 {group} 排序）",
)


def draw(seed: int) -> Draw:
    dice = Dice("triage_log", seed)
    services = dice.some(SERVICES_TRAIN, SERVICES_TEST, dice.number(3, 5))
    folder, output = dice.either(FOLDERS_TRAIN, FOLDERS_TEST), dice.either(OUTPUTS_TRAIN, OUTPUTS_TEST)
    level, group, count = dice.either(*LEVELS), dice.either(*GROUPS), dice.either(*COUNTS)
    levels = [level, *NOISE, dice.pick([x for x in ("ERROR", "WARN", "FATAL") if x != level])]
    layout, ending = dice.pick(LAYOUTS), dice.pick(("log", "txt"))
    files: dict[str, bytes] = {}
    hits: Counter[str] = Counter()
    every: Counter[str] = Counter()
    first_file: Counter[str] = Counter()
    for index in range(dice.number(2, 4)):
        day, lines = dice.date(), []
        for second in range(dice.number(12, 30)):
            service = services[second] if not index and second < len(services) else dice.pick(services)
            grade = level if not index and second < len(services) else dice.pick(levels)
            every[service] += 1
            hits[service] += grade == level
            first_file[service] += grade == level and not index
            message = dice.pick(MESSAGES) + (f" after {level}" if dice.chance(0.1) and grade != level else "")
            clock = f"{8 + second // 6:02d}:{second * 7 % 60:02d}:{dice.number(0, 59):02d}"
            lines.append(layout.format(day=day, time=clock, level=grade, service=service, message=message))
        if index:  # the other files are not the first one over again
            hits[services[0]] += 1
            every[services[0]] += 1
            lines.append(layout.format(day=day, time="23:59:59", level=level, service=services[0], message=MESSAGES[0]))
        files[f"{folder}/{day}_{index}.{ending}"] = ("\n".join(lines) + "\n").encode()
    goal = dice.either(GOALS_TRAIN, GOALS_TEST).format(
        level=level, group=group, count=count, folder=folder, output=output
    )

    def rows(counts: Counter[str]) -> list[list[str]]:
        return [[group, count], *([name, str(counts[name])] for name in sorted(counts) if counts[name])]

    def saved(counts: Counter[str], header: list[str] | None = None) -> Callable[[Path], None]:
        return lambda root: write(root, output, csv_bytes([header or [group, count], *rows(counts)[1:]]))

    return Draw(
        Task(goal, files, (table_check(output, rows(hits)),)),
        saved(hits),
        {
            "all lines counted": saved(every),
            "only the first file": saved(first_file),
            "other column names": saved(hits, ["name", "n"]),
        },
    )
