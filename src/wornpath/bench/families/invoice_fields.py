"""Fields of invoices, written in plain text by different senders, into one JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wornpath.bench.families.common import Dice, Draw, python_check, write
from wornpath.core import Task

FOLDERS_TRAIN = ("invoices", "bills", "inbox/invoices", "scans", "received")
FOLDERS_TEST = ("payables", "vendor/docs")
OUTPUTS_TRAIN = ("invoices.json", "fields.json", "out/invoices.json", "bills.json")
OUTPUTS_TEST = ("extracted.json", "result/data.json")
LABELS = (
    {
        "number": ("Invoice", "Invoice no", "Bill number", "发票号"),
        "customer": ("Customer", "Bill to", "Client", "客户"),
        "date": ("Date", "Issued", "Invoice date", "日期"),
        "total": ("Total", "Amount due", "To pay", "合计"),
    },
    {
        "number": ("Document no", "Reference", "单号"),
        "customer": ("Recipient", "Account", "付款方"),
        "date": ("Dated", "Day", "开票日期"),
        "total": ("Grand total", "Payable", "应付"),
    },
)
KEYS = {
    "number": ("number", "id"),
    "customer": ("customer", "client"),
    "date": ("date", "day"),
    "total": ("total", "amount"),
}
GOALS_TRAIN = (
    "Extract the fields of the invoices in {folder}/ to {output}, a list of objects with the keys {fields}; "
    "{total} as a number, sorted by {number}",
    "Read every invoice in {folder}/ and save {output}: a JSON list with one object an invoice, sorted by "
    "{number}, with {fields}, where {total} "
    "is a number",
    "从 {folder}/ 的发票中提取字段，写入 {output}：JSON 列表，每张发票一个对象，键为 {fields}，{total} 为数字，按 {number} 排序",
)
GOALS_TEST = (
    "Make {output} from the invoices of {folder}/: for each an object in a list, ordered by {number}, with "
    "{fields} ({total} has to be a number)",
    "请把 {folder}/ 里每张发票的字段存成 {output}（JSON 列表，按 {number} 排序）：{fields}；{total} 用数字",
)
MONEY = ("{:.2f} EUR", "${:,.2f}", "{:,.2f} CHF", "€{:.2f}", "{:.2f}")
ITEMS = ("Paper A4", "Envelopes", "Toner", "Desk lamp", "Chair", "Cable 2m", "Notebook", "Stapler")


def draw(seed: int) -> Draw:
    dice = Dice("invoice_fields", seed)
    wanted = ["number", *dice.rng.sample(["customer", "date"], dice.number(1, 2)), "total"]
    chinese = dice.chance(0.25)
    labels = {}
    for field, names in LABELS[dice.test].items():
        labels[field] = dice.pick([n for n in names if n.isascii() != chinese])
    keys = {field: dice.pick(KEYS[field]) for field in wanted}
    folder, output = dice.either(FOLDERS_TRAIN, FOLDERS_TEST), dice.either(OUTPUTS_TRAIN, OUTPUTS_TEST)
    money, prefix = dice.pick(MONEY), dice.pick(("inv", "bill", "doc"))
    first = dice.number(1000, 8000)
    order = dice.shuffled(["number", "date", "customer"])
    files: dict[str, bytes] = {}
    truth: list[dict[str, Any]] = []
    for index, company in enumerate(dice.companies(dice.number(4, 9))):
        items = [(dice.pick(ITEMS), dice.number(1, 9), dice.number(150, 99_000)) for _ in range(dice.number(1, 3))]
        cents = sum(count * price for _, count, price in items)
        values = {
            "number": f"R-{first + index}",
            "customer": company,
            "date": dice.date(),
            "total": money.format(cents / 100),
        }
        lines = [f"{labels[f]}: {values[f]}" for f in order]
        lines += ["", *(f"{count} x {name} {price / 100:.2f}" for name, count, price in items), ""]
        lines.append(f"{labels['total']}: {values['total']}")
        files[f"{folder}/{prefix}_{dice.number(100, 999)}{index}.txt"] = ("\n".join(lines) + "\n").encode()
        truth.append({keys[f]: cents / 100 if f == "total" else values[f] for f in wanted})
    apart, left, right = ("、", "（", "）") if chinese else (", ", " (", ")")
    fields = apart.join(f"{keys[f]}{left}{labels[f]}{right}" for f in wanted)
    pool = [g for g in (GOALS_TEST if dice.test else GOALS_TRAIN) if g.isascii() != chinese]
    goal = dice.pick(pool).format(
        folder=folder, output=output, fields=fields, total=keys["total"], number=keys["number"]
    )
    check = python_check(
        f"import json; got, truth = json.load(open({output!r}, encoding='utf-8')), {truth!r}\n"
        "assert [g.keys() for g in got] == [t.keys() for t in truth] or [set(g) for g in got] == [set(t) for t in truth]\n"
        "assert all(abs(g[k] - v) < 0.01 if isinstance(v, float) else g[k] == v for g, t in zip(got, truth) for k, v in t.items())"
    )

    def saved(data: list[dict[str, Any]]) -> Callable[[Path], None]:
        return lambda root: write(root, output, json.dumps(data, ensure_ascii=False, indent=1))

    key = keys["total"]
    return Draw(
        Task(goal, dict(sorted(files.items())), (check,)),
        saved(truth),
        {
            "the total as text": saved([{**t, key: money.format(t[key])} for t in truth]),
            "an invoice short": saved(truth[:-1]),
            "the labels as keys": saved([{labels[f]: t[keys[f]] for f in wanted} for t in truth]),
            "not sorted": saved(truth[::-1]),
        },
    )
