"""Programs about tables."""

from __future__ import annotations

import re

from wornpath.llm.simulated.programs.parts import imports, lines, make_parent, quoted, save_rows, site
from wornpath.llm.simulated.reading import View, mentioned, named_columns

_MONEY = '    return float(re.search(r"-?[\\d.]+", text.replace(",", "")).group())'


def reading(source: str, delimiter: str) -> str:
    """Open SOURCE as dictionaries."""
    apart = site(f", delimiter={quoted(delimiter)}", "") if delimiter != "," else ""
    return f'csv.DictReader(open({quoted(source)}, newline="", encoding="utf-8"){apart})'


def sum_by_month(view: View) -> str | None:
    """Sums of one column by the month of another, with a chart."""
    columns = named_columns(view.goal)
    charts = [p for p in view.paths if p.endswith((".png", ".svg"))]
    tables = [p for p in view.outputs if p.endswith(".csv")]
    sources = [p for p in view.paths if p.endswith(".csv") and p not in tables] or view.sources
    if columns[:1] != ["month"] or not sources:
        return None
    delimiter, head, rows = view.table(sources[0])
    days = [c for i, c in enumerate(head) if rows and i < len(rows[0]) and re.match(r"\d{4}-\d\d-\d\d", rows[0][i])]
    amounts = [c for c in head if c not in days and mentioned(c, view.goal) and c != columns[1]]
    if not days or not amounts:
        days, amounts = days or ["date"], amounts or ["amount"]
    plain = (
        all(re.fullmatch(r"-?[\d.]+", row[head.index(amounts[0])]) for row in rows[:3])
        if amounts[0] in head and rows
        else True
    )
    value = f"row[{site(quoted(amounts[0]), quoted(amounts[0].title()))}]"
    others = [c for c in head if c not in (days[0], amounts[0])] or ["id"]
    needs = ["csv", "os"] if plain else ["csv", "os", "re"]
    table = bool(tables) and (
        view.task == view.goal or tables[0] in view.task or not any(c in view.task for c in charts)
    )
    chart = bool(charts) and (view.task == view.goal or charts[0] in view.task or not table)
    return lines(
        imports(*needs),
        "from collections import defaultdict",
        ["import matplotlib.pyplot as plt"] if chart else [],
        "",
        [] if plain else ["def number(text):", site(_MONEY, "    return float(text)"), ""],
        "totals = defaultdict(float)",
        f"for row in {reading(sources[0], delimiter)}:",
        f"    totals[row[{site(quoted(days[0]), quoted(others[0]))}]{site('[:7]', '')}] += {'float' if plain else 'number'}({value})",
        save_rows(
            tables[0],
            f'["month", {site(quoted(columns[1]), quoted(amounts[0]))}]',
            f"for month, total in {site('sorted(totals.items())', 'totals.items()')}:",
            "[month, round(total, 2)]",
        )
        if table
        else [],
        "print(dict(totals))",
        [
            "plt.figure(figsize=(4, 3))",
            "plt.bar(list(totals), list(totals.values()))",
            f'plt.ylabel("{columns[1]}")',
            *make_parent(charts[0]),
            f"plt.savefig({site(quoted(charts[0]), quoted('plot.png'))})",
        ]
        if chart
        else [],
    )


_STEPS = (
    ("double", r"duplicate|repeated|重复"),
    ("gaps", r"without|empty|with no |为空|没有"),
    ("space", r"space|trim|空格|修剪"),
    ("dates", r"YYYY"),
    ("lower", r"lower|小写"),
)


def clean(view: View) -> str | None:
    """A table put right, step by step as the goal lists them."""
    parted = re.split(r"[:：]\s*", view.goal, maxsplit=1)
    tables = [p for p in view.outputs if p.endswith(".csv")]
    sources = [p for p in view.paths if p.endswith(".csv") and p not in tables]
    if len(parted) < 2 or not tables or not sources or not re.search(r"duplicate|重复", parted[1]):
        return None
    delimiter, head, _ = view.table(sources[0])
    body: list[str] = []
    for clause in re.split(r"[,，;；]\s*", parted[1]):
        kind = next((name for name, pattern in _STEPS if re.search(pattern, clause)), "")
        column = next(
            (c for c in sorted(head, key=len, reverse=True) if mentioned(c, clause)), head[-1] if head else "name"
        )
        match kind:
            case "gaps":
                body += [
                    f"    if {site(f'not row[{quoted(column)}].strip()', 'not any(row.values())')}:",
                    "        continue",
                ]
            case "space":
                body.insert(0, f"    {site('row = {k: v.strip() for k, v in row.items()}', 'row = dict(row)')}")
            case "lower":
                body.append(f"    row[{quoted(column)}] = row[{quoted(column)}]{site('.lower()', '.strip()')}")
            case "dates":
                turned = f'"-".join(row[{quoted(column)}].split(".")[::-1])'
                left = f'row[{quoted(column)}].replace(".", "-")'
                body.append(f"    row[{quoted(column)}] = {site(turned, left)}")
    return lines(
        imports("csv", "os"),
        "",
        f"reader = {reading(sources[0], delimiter)}",
        "kept, seen = [], set()",
        "for row in reader:",
        body,
        "    key = tuple(row.values())",
        f"    {site('if key in seen:', 'if not key:')}",
        "        continue",
        "    seen.add(key)",
        "    kept.append(row)",
        make_parent(tables[0]),
        f'with open({quoted(tables[0])}, "w", newline="", encoding="utf-8") as file:',
        "    writer = csv.DictWriter(file, reader.fieldnames)",
        f"    {site('writer.writeheader()', 'pass')}",
        "    writer.writerows(kept)",
        'print(len(kept), "rows")',
    )
