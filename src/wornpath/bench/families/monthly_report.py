"""A month's report from a list of bookings: sums per month in a table, and a bar chart of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, csv_bytes, python_check, table_check, write
from wornpath.core import Task

SOURCES_TRAIN = ("sales.csv", "orders.csv", "data/bookings.csv", "export.csv", "shop/receipts.csv")
SOURCES_TEST = ("payments.csv", "in/takings.csv", "ledger.csv")
OUTPUTS_TRAIN = ("monthly.csv", "months.csv", "report.csv", "out/by_month.csv")
OUTPUTS_TEST = ("per_month.csv", "result/monthly.csv")
CHARTS_TRAIN = ("chart.png", "months.png", "out/chart.png", "bars.png")
CHARTS_TEST = ("figure.png", "result/plot.png")
DAYS = (("date", "day", "booked", "order_date"), ("paid_on", "when"))
AMOUNTS = (("amount", "price", "total", "value"), ("sum", "gross"))
RESULTS = (("total", "revenue", "sum"), ("turnover", "takings"))
EXTRAS = (("region", "product", "branch", "channel"), ("shop", "team"))
THINGS = ("North", "South", "East", "West", "Centre", "Lamp", "Desk", "Rug")
GOALS_TRAIN = (
    "Sum {amount} per month of {day} in {source}: write {output} with the columns month,{result} (month as YYYY-MM, in order), and draw "
    "it as a bar chart in {chart}",
    "Monthly report from {source}: {output} with the columns month,{result}, where {result} is the sum of "
    "{amount} in that month of {day} "
    "(YYYY-MM, in order). Also draw a bar chart of it, {chart}",
    "按月汇总 {source}：把 {day} 每个月的 {amount} 总和写入 {output}，列为 month,{result}（月份为 YYYY-MM，按顺序），并画柱状图 {chart}",
)
GOALS_TEST = (
    "How much was it each month? Add up {amount} by the month of {day} in {source}, save {output} (columns month,{result}; months as "
    "YYYY-MM, in order) and a bar chart of it in {chart}",
    "请统计 {source} 每月（按 {day}）的 {amount} 合计，保存为 {output}，列名 month,{result}（YYYY-MM，按顺序），再画柱状图存为 {chart}",
)
MONEY = ("{:.2f}", "{:.2f} EUR", "${:,.2f}", "{:.2f} CHF", "€{:.2f}")


def draw(seed: int) -> Draw:
    dice = Dice("monthly_report", seed)
    day, amount, extra = dice.either(*DAYS), dice.either(*AMOUNTS), dice.either(*EXTRAS)
    result = dice.either(*RESULTS)
    while result == amount:
        result = dice.either(*RESULTS)
    columns = dice.shuffled(["id", day, extra, amount])
    money = dice.pick(MONEY) if dice.chance(0.5) else MONEY[0]
    delimiter = ";" if "," in money or dice.chance(0.2) else ","
    months = dice.rng.sample(
        [f"{year}-{month:02d}" for year in (2025, 2026) for month in range(1, 13)], dice.number(3, 8)
    )
    totals: dict[str, int] = defaultdict(int)
    rows: list[list[str]] = []
    for number in range(dice.number(25, 80)):
        month = months[number] if number < len(months) else dice.pick(months)
        cents = dice.number(500, 250_000)
        totals[month] += cents
        record = {"id": str(1000 + number), day: f"{month}-{dice.number(1, 28):02d}", extra: dice.pick(THINGS)}
        rows.append([{**record, amount: money.format(cents / 100)}[c] for c in columns])
    rows = dice.shuffled(rows)
    source, output = dice.either(SOURCES_TRAIN, SOURCES_TEST), dice.either(OUTPUTS_TRAIN, OUTPUTS_TEST)
    chart = dice.either(CHARTS_TRAIN, CHARTS_TEST)
    goal = dice.either(GOALS_TRAIN, GOALS_TEST).format(
        source=source, output=output, chart=chart, day=day, amount=amount, result=result
    )
    truth = [[month, f"{totals[month] / 100:.2f}"] for month in sorted(totals)]
    picture = python_check(f"data = open({chart!r}, 'rb').read(); assert data[:4] == b'\\x89PNG' and len(data) > 400")
    checks = (table_check(output, [["month", result], *truth]), picture)

    def saved(head: list[str], body: list[list[str]], *, drawn: bool = True) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            write(folder, output, csv_bytes([head, *body]))
            if drawn:
                write(folder, chart, bar_chart([float(row[1]) for row in body]))

        return work

    counts = [[m, str(sum(row[columns.index(day)].startswith(m) for row in rows))] for m in sorted(totals)]
    return Draw(
        Task(goal, {source: csv_bytes([columns, *rows], delimiter)}, checks),
        saved(["month", result], truth),
        {
            "no chart": saved(["month", result], truth, drawn=False),
            "rows counted, not summed": saved(["month", result], counts),
            "another column name": saved(["month", amount], truth),
            "a month short": saved(["month", result], truth[:-1]),
        },
    )


def bar_chart(values: list[float]) -> bytes:
    """A plain bar chart as PNG, without a plotting library."""
    import struct
    import zlib

    wide, high = 320, 200
    top = max(values) or 1.0
    rows = []
    for y in range(high):
        row = bytearray()
        for x in range(wide):
            bar = min(x * len(values) // wide, len(values) - 1)
            filled = (high - y) / high <= values[bar] / top and x * len(values) % wide > wide // 8
            row += bytes((40, 90, 200 - bar * 5)) if filled else bytes((255, 255, (x * 7 + y * 13) % 16 + 240))
        rows.append(b"\0" + bytes(row))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + chunk(b"IEND", b"")
    )
