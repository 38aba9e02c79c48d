"""Merge the sheets of a folder, CSV or Excel, into one table that says where each row came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, csv_bytes, table_check, write
from wornpath.core import Task

FOLDERS_TRAIN = ("sheets", "branches", "monthly/in", "uploads", "tables")
FOLDERS_TEST = ("stores", "from_teams", "parts/all")
STEMS_TRAIN = ("oslo", "porto", "lyon", "graz", "turku", "bern", "ghent", "split")
STEMS_TEST = ("cork", "riga", "delft", "pisa", "malmo")
OUTPUTS_TRAIN = ("all.csv", "merged.csv", "out/together.csv", "whole.csv")
OUTPUTS_TEST = ("combined.csv", "result/everything.csv")
KEYS = (("item", "sku", "article"), ("code", "ref"))
OTHERS = (("stock", "sold", "price", "weight", "returns"), ("count", "margin", "pieces"))
ORIGINS = (("source", "file", "branch"), ("origin", "place"))
GOALS_TRAIN = (
    "Merge all sheets in {folder}/ into {output}: the columns {columns} in this order, where {origin} is the "
    "file's name without its ending; "
    "sorted by {key}",
    "Put the tables of {folder}/ together in {output} with the columns {columns}. {origin} holds the name of "
    "the file, without the ending, that "
    "a row came from. Sort the rows by {key}",
    "把 {folder}/ 里的所有表格合并成 {output}，列为 {columns}，其中 {origin} 是文件名（不带扩展名），按 {key} 排序",
)
GOALS_TEST = (
    "Combine every sheet from {folder}/ to a single table {output}, columns {columns}; fill {origin} with the "
    "file name less its ending, and "
    "order it by {key}",
    "请将 {folder}/ 中的表合成一个 {output}（列 {columns}），{origin} 填来源文件名（去掉扩展名），并按 {key} 排序",
)


def draw(seed: int) -> Draw:
    dice = Dice("merge_sheets", seed)
    key, origin = dice.either(*KEYS), dice.either(*ORIGINS)
    columns = [key, *dice.some(*OTHERS, dice.number(1, 2))]
    ending = dice.pick(("csv", "csv", "xlsx"))
    delimiter = ";" if ending == "csv" and dice.chance(0.25) else ","
    folder, output = dice.either(FOLDERS_TRAIN, FOLDERS_TEST), dice.either(OUTPUTS_TRAIN, OUTPUTS_TEST)
    codes = iter(dice.rng.sample(range(1000, 10000), 60))
    files: dict[str, bytes] = {}
    rows: list[list[str]] = []
    for stem in dice.some(STEMS_TRAIN, STEMS_TEST, dice.number(3, 5)):
        order = dice.shuffled(columns)  # no two sheets need have their columns in the same order
        records = [
            {c: f"K{next(codes)}" if c == key else str(dice.number(1, 400)) for c in columns}
            for _ in range(dice.number(3, 8))
        ]
        table = [order, *([record[c] for c in order] for record in records)]
        files[f"{folder}/{stem}.{ending}"] = workbook(table) if ending == "xlsx" else csv_bytes(table, delimiter)
        rows += [[*(record[c] for c in columns), stem] for record in records]
    head = [*columns, origin]
    goal = dice.either(GOALS_TRAIN, GOALS_TEST).format(
        folder=folder, output=output, columns=",".join(head), origin=origin, key=key
    )
    right = sorted(rows)

    def saved(body: Sequence[Sequence[str]], header: Sequence[str] = head) -> Callable[[Path], None]:
        return lambda root: write(root, output, csv_bytes([header, *body]))

    first = rows[0][-1]
    return Draw(
        Task(goal, dict(sorted(files.items())), (table_check(output, [head, *right]),)),
        saved(right),
        {
            "not sorted": saved(right[1:] + right[:1]),
            "no origin": saved([row[:-1] for row in right], head[:-1]),
            "the first file only": saved([row for row in right if row[-1] == first]),
            "the ending kept": saved([[*row[:-1], f"{row[-1]}.{ending}"] for row in right]),
        },
    )


def workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """An Excel file of ROWS, always the same bytes."""
    from wornpath.bench.families.tidy import archive

    cells = "".join(
        f'<row r="{r}">' + "".join(_cell(f"{chr(64 + c)}{r}", v) for c, v in enumerate(row, 1)) + "</row>"
        for r, row in enumerate(rows, 1)
    )
    sheet = f'<worksheet xmlns="{_MAIN}"><sheetData>{cells}</sheetData></worksheet>'
    return archive({name: _HEAD + text for name, text in (*_AROUND.items(), ("xl/worksheets/sheet1.xml", sheet))})


_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_FORMATS = "http://schemas.openxmlformats.org"
_PART, _MAIN = f"{_FORMATS}/officeDocument/2006/relationships", f"{_FORMATS}/spreadsheetml/2006/main"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def _cell(at: str, value: str) -> str:
    from xml.sax.saxutils import escape

    if value.isdigit():
        return f'<c r="{at}"><v>{value}</v></c>'
    return f'<c r="{at}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'


def _relation(kind: str, target: str) -> str:
    link = f'<Relationship Id="r1" Type="{_PART}/{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{_FORMATS}/package/2006/relationships">{link}</Relationships>'


_AROUND = {
    "[Content_Types].xml": f'<Types xmlns="{_FORMATS}/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_KIND}.worksheet+xml"/></Types>',
    "_rels/.rels": _relation("officeDocument", "xl/workbook.xml"),
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_PART}">'
    '<sheets><sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": _relation("worksheet", "worksheets/sheet1.xml"),
}
