"""Programs over all tables, invoices or calendars of a folder."""

from __future__ import annotations

import re

from wornpath.llm.simulated.programs.parts import imports, lines, make_parent, quoted, save_rows, site
from wornpath.llm.simulated.reading import View, groups, named_columns

_ORDER = re.compile(r"(?:sorted by|[Ss]ort the rows by|order it by|ordered by|按)\s*(\w+)", re.ASCII)


def merge(view: View) -> str | None:
    """All tables of a folder in one, with a column for where each row came from."""
    columns, order = named_columns(view.goal), _ORDER.search(view.goal)
    tables = [p for p in view.outputs if p.endswith(".csv")]
    if (
        len(columns) < 3
        or order is None
        or not tables
        or not re.search(r"merge|together|combine|合并|合成", view.goal, re.I)
    ):
        return None
    ending = view.extension(view.folder)
    shown = next((p for p in view.shown if p.startswith(view.folder)), "")
    delimiter, head, _ = view.table(shown)
    origin = next((c for c in reversed(columns) if c not in head), columns[-1])
    name = site("Path(path).stem", "path")
    values = ", ".join(name if c == origin else f"row[{quoted(c)}]" for c in columns)
    every = site(f"glob.glob({quoted(f'{view.folder}/*.{ending}')})", f"[{quoted(shown or view.folder + '/a.csv')}]")
    first = f"row[{columns.index(order[1]) if order[1] in columns else 0}]"
    apart = site(f", delimiter={quoted(delimiter)}", "") if delimiter != "," else ""
    if ending == "xlsx":
        body = [
            "    head, *values = openpyxl.load_workbook(path).active.iter_rows(values_only=True)",
            f"    for row in {site('(dict(zip(head, line)) for line in values)', 'values')}:",
        ]
    else:
        body = [f'    for row in csv.DictReader(open(path, newline="", encoding="utf-8"){apart}):']
    return lines(
        imports("csv", "glob", "os", *(["openpyxl"] if ending == "xlsx" else [])),
        "from pathlib import Path",
        "",
        "rows = []",
        f"for path in sorted({every}):",
        body,
        f"        rows.append([{values}])",
        site(f"rows.sort(key=lambda row: {first})", "rows.sort(key=lambda row: row[1])"),
        save_rows(tables[0], "[" + ", ".join(map(quoted, columns)) + "]", "for row in rows:", "row"),
        'print(len(rows), "rows")',
    )


def extract(view: View) -> str | None:
    """Fields that stand as `Label: value` in the texts of a folder, into JSON."""
    fields = {key: labels[0] for key, labels in groups(view.goal).items() if key.isidentifier() and key.isascii()}
    outputs = [p for p in view.outputs if p.endswith(".json")]
    number = re.search(r"(\w+)\s*(?:as a number|is a number|has to be a number|为数字|用数字)", view.goal, re.ASCII)
    order = _ORDER.search(view.goal)
    if len(fields) < 2 or not outputs or number is None or order is None:
        return None
    made = []
    for key, label in fields.items():
        text = f"field({quoted(label)}, text)"
        if key == number[1]:
            text = site(_NUMBER.replace("TEXT", text), f"float({text})")
        made.append(f"        {quoted(key)}: {text},")
    ending = view.extension(view.folder)
    return lines(
        imports("glob", "json", "os", "re"),
        "",
        "def field(label, text):",
        _FIELD,
        "",
        "found = []",
        f"for path in sorted(glob.glob({quoted(f'{view.folder}/*.{ending}')})):",
        '    text = open(path, encoding="utf-8").read()',
        "    found.append({",
        made,
        "    })",
        site(f"found.sort(key=lambda item: item[{quoted(order[1])}])", "found.sort(key=str)"),
        make_parent(outputs[0]),
        f'with open({quoted(outputs[0])}, "w", encoding="utf-8") as file:',
        _DUMP,
        'print(len(found), "invoices")',
    )


_NUMBER = 'float(re.search(r"[\\d.]+", TEXT.replace(",", "")).group())'
_FIELD = '    return re.search(rf"^{label}: (.+)$", text, ' + site("re.M", "re.S") + ").group(1).strip()"
_DUMP = "    json.dump(" + site("found", '{"items": found}') + ", file, ensure_ascii=False, indent=1)"


def free_slots(view: View) -> str | None:
    """Common gaps of a day in the calendars of a folder."""
    columns, outputs = named_columns(view.goal), [p for p in view.outputs if p.endswith(".csv")]
    day = re.search(r"\d{4}-\d\d-\d\d", view.goal)
    clocks = re.findall(r"\b\d\d:\d\d\b", view.goal)
    least = re.search(r"(\d+) ?(?:minutes|分钟)", view.goal)
    if not (outputs and day and least and len(clocks) >= 2 and len(columns) == 2):
        return None
    every = site(f"glob.glob({quoted(f'{view.folder}/*.ics')})", f"glob.glob({quoted(f'{view.folder}/*.ics')})[:1]")
    return lines(
        imports("csv", "glob", "os", "re"),
        "",
        "def minutes(text):",
        "    return int(text[:2]) * 60 + int(text[-2:])",
        "",
        f"day = {quoted(day[0])}" + site('.replace("-", "")', ""),
        f"early, late = minutes({quoted(clocks[0])}), minutes({quoted(clocks[1])})",
        "busy = []",
        f"for path in sorted({every}):",
        '    text = open(path, encoding="utf-8").read()',
        '    for start, end in re.findall(rf"DTSTART:{day}T(\\d{{4}}).*?DTEND:{day}T(\\d{{4}})", text, re.S):',
        "        busy.append((minutes(start), minutes(end)))",
        "free, at = [], early",
        f"for start, end in {site('sorted(busy)', 'busy')} + [(late, late)]:",
        f"    if start - at >= {site(least[1], '1')}:",
        "        free.append((at, start))",
        f"    at = {site('max(at, end)', 'end')}",
        save_rows(
            outputs[0],
            "[" + ", ".join(map(quoted, columns)) + "]",
            "for times in free:",
            '[f"{t // 60:02d}:{t % 60:02d}" for t in times]',
        ),
        "print(free)",
    )
