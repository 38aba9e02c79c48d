"""The examples as task families: each call draws a fresh task, with new names, numbers, file counts and wording.

`FAMILIES[name](seed)` gives a `Task`; `python examples/families.py NAME SEED FOLDER` lays one out and prints its goal and checks.
The checks know the truth from the draw; nothing in the agent knows the families.
"""

from __future__ import annotations

import csv
import io
import random
import re
import shlex
import sys
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from wornpath import Task

FIRST = [
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
    "Granite",
]
SECOND = [
    "Books",
    "Studio",
    "Bakery",
    "Logistics",
    "Dental",
    "Cycles",
    "Garden Supply",
    "Print",
    "Foods",
    "Travel",
    "Optics",
    "Marine",
]
FORM = ["Ltd", "GmbH", "Inc", "LLC", "& Sons", ""]
ITEMS = [
    "Paper A4",
    "Envelopes",
    "Toner",
    "Desk lamp",
    "Chair",
    "Cable 2m",
    "Notebook",
    "Whiteboard",
    "Stapler",
    "Monitor arm",
]


SAVED_AT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def names(rng: random.Random, count: int) -> list[str]:
    """COUNT different company names."""
    found: list[str] = []
    while len(found) < count:
        name = " ".join(filter(None, (rng.choice(FIRST), rng.choice(SECOND), rng.choice(FORM))))
        if name not in found:
            found.append(name)
    return found


def python_check(program: str) -> str:
    """A shell command that runs PROGRAM; its assertions decide."""
    return f"python -c {shlex.quote(program)}"


def content(extension: str, rng: random.Random) -> bytes:
    """A small file of its kind: text where it is text, a real archive, letter or sheet, else the right first bytes and noise."""
    lines = [f"{rng.choice(ITEMS)},{rng.randint(1, 99)}" for _ in range(rng.randint(2, 9))]
    match extension:
        case "txt" | "csv":
            return "".join(f"{line}\n" for line in lines).encode()
        case "zip":
            return archive({f"{rng.choice(FIRST).lower()}.txt": "\n".join(lines)})
        case "docx" | "xlsx":
            return office(extension, lines)
    head = {
        "jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
        "png": b"\x89PNG\r\n\x1a\n",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "mp3": b"ID3\x04\x00\x00",
        "wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    }[extension]
    return head + rng.randbytes(rng.randint(40, 400))


def archive(members: Mapping[str, str | bytes]) -> bytes:
    """A zip file of MEMBERS, name to content; the same bytes every time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


def office(extension: str, lines: list[str]) -> bytes:
    """LINES as a letter (docx) or a sheet (xlsx)."""
    import docx
    import openpyxl

    out = io.BytesIO()
    if extension == "docx":
        letter = docx.Document()
        for line in lines:
            letter.add_paragraph(line)
        letter.save(out)
    else:
        book = openpyxl.Workbook()
        for line in lines:
            book.active.append(line.split(","))
        book.save(out)
    with zipfile.ZipFile(out) as made:
        return archive({name: SAVED_AT.sub(b"2026-01-01T00:00:00Z", made.read(name)) for name in made.namelist()})


def invoices(seed: int) -> Task:
    """Totals per customer over invoices in several files, into a table."""
    rng = random.Random(f"invoices:{seed}")
    customers = names(rng, rng.randint(3, 6))
    folder, number, currency = (
        rng.choice(["invoices", "bills", "inbox/invoices"]),
        rng.randint(100, 8000),
        rng.choice(["EUR", "USD", "CHF"]),
    )
    files: dict[str, bytes] = {}
    totals: dict[str, int] = defaultdict(int)
    for index in range(rng.randint(7, 24)):
        customer = customers[index] if index < len(customers) else rng.choice(customers)
        items = [(rng.choice(ITEMS), rng.randint(1, 12), rng.randint(150, 9900)) for _ in range(rng.randint(1, 5))]
        total = sum(count * cents for _, count, cents in items)
        totals[customer] += total
        rows = "\n".join(f"{name}; {count}; {cents / 100:.2f}" for name, count, cents in items)
        day = f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        head = f"Invoice: {number + index}\nDate: {day}\nCustomer: {customer}\n"
        text = f"{head}\nItem; Quantity; Price\n{rows}\n\nTotal: {total / 100:.2f} {currency}\n"
        files[f"{folder}/invoice_{number + index}.txt"] = text.encode()
    output = rng.choice(["totals.csv", "by_customer.csv", "report.csv"])
    wording = rng.choice(
        [
            f"Add up the totals of all invoices in {folder}/ per customer and write {output} with the columns customer,total.",
            f"I need to know how much each customer was billed. Sum the Total of every invoice in {folder}/ by customer and save it as "
            f"{output} with the columns customer,total.",
            f"Make {output} (columns customer,total): for each customer, the sum of the totals of the invoices in {folder}/.",
        ]
    )
    truth = {name: cents / 100 for name, cents in totals.items()}
    check = python_check(
        f"import csv; rows = list(csv.DictReader(open({output!r}, encoding='utf-8-sig'))); truth = {truth!r}\n"
        "got = {r['customer'].strip(): float(r['total'].split()[0].replace(',', '')) for r in rows}\n"
        "assert len(rows) == len(truth) and got.keys() == truth.keys()\n"
        "assert all(abs(got[k] - truth[k]) < 0.011 for k in truth)"
    )
    return Task(wording, files, (check,))


def find_file(seed: int) -> Task:
    """Find the one letter that fits, among decoys, and copy it to a given place."""
    rng = random.Random(f"find:{seed}")
    companies = names(rng, 14)
    matter = [
        "rental contract",
        "insurance policy",
        "loan agreement",
        "service contract",
        "purchase order",
        "warranty certificate",
    ]
    folders = ["letters", "archive/2024", "archive/2025", "misc", "scans"]
    files: dict[str, bytes] = {}
    wanted_matter, wanted_company = rng.choice(matter), companies[0]
    paths = []
    for index, company in enumerate(companies):
        kind = (
            wanted_matter if index == 0 or rng.random() < 0.3 else rng.choice([m for m in matter if m != wanted_matter])
        )
        path = f"{rng.choice(folders)}/doc_{rng.randint(1000, 9999)}.txt"
        while path in files:
            path = f"{rng.choice(folders)}/doc_{rng.randint(1000, 9999)}.txt"
        body = f"{kind.capitalize()} no. {rng.randint(10000, 99999)}\nbetween {company} and the tenant of unit {rng.randint(1, 40)}.\n"
        files[path] = (body + f"Valid from 2026-{rng.randint(1, 12):02d}-01. Signed and sealed.\n").encode()
        paths.append(path)
    target = rng.choice(["found.txt", "result/document.txt", "copy_of_it.txt"])
    wording = rng.choice(
        [
            f"Find the {wanted_matter} with {wanted_company} and copy it to {target}",
            f"Somewhere in this folder is a {wanted_matter} that names {wanted_company}. Put a copy of that file at {target}",
        ]
    )
    expected = files[paths[0]].decode()
    check = python_check(
        f"assert open({target!r}).read().strip() == {expected.strip()!r}; import os; assert os.path.exists({paths[0]!r})"
    )
    return Task(wording, files, (check,))


def tidy(seed: int) -> Task:
    """Sort a messy folder into subfolders by type."""
    rng = random.Random(f"tidy:{seed}")
    kinds = {
        "images": ["jpg", "png"],
        "documents": ["pdf", "txt", "docx"],
        "music": ["mp3", "wav"],
        "tables": ["csv", "xlsx"],
        "archives": ["zip"],
    }
    chosen = rng.sample(sorted(kinds), rng.randint(3, 4))
    folder = rng.choice(["downloads", "desktop", "inbox"])
    words = ["holiday", "scan", "report", "song", "notes", "budget", "photo", "draft", "memo", "mix", "plan", "list"]
    files, truth = {}, {}
    for kind in chosen:
        for _ in range(rng.randint(2, 5)):
            extension = rng.choice(kinds[kind])
            name = f"{rng.choice(words)}_{rng.randint(1, 999)}.{extension}"
            files[f"{folder}/{name}"] = content(extension, rng)
            truth[name] = kind
    listing = ", ".join(f"{kind} ({', '.join(kinds[kind])})" for kind in chosen)
    wording = rng.choice(
        [
            f"Tidy the folder {folder}: move its files into subfolders of {folder} by type: {listing}",
            f"Sort the files in {folder}/ into these folders inside {folder}/ by their extension: {listing}",
        ]
    )
    check = python_check(
        f"from pathlib import Path; root = Path({folder!r}); truth = {truth!r}\n"
        "got = {p.name: p.parent.relative_to(root).as_posix() for p in root.rglob('*') if p.is_file()}\n"
        "assert got == truth"
    )
    return Task(wording, files, (check,))


def csv_chart(seed: int) -> Task:
    """Clean a messy CSV, sum it up, draw a chart."""
    rng = random.Random(f"csv:{seed}")
    group, values = rng.choice(
        [
            ("region", ["North", "South", "East", "West", "Centre"]),
            ("product", ["Lamp", "Chair", "Desk", "Shelf", "Rug"]),
            ("branch", ["Oslo", "Porto", "Lyon", "Graz", "Turku"]),
        ]
    )
    values = rng.sample(values, rng.randint(3, 5))
    source = rng.choice(["sales.csv", "orders.csv", "export.csv"])
    rows = []
    for index in range(rng.randint(40, 160)):
        amount = "" if rng.random() < 0.08 else f"{rng.randint(500, 90000) / 100:.2f}"
        rows.append(
            [str(1000 + index), f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}", rng.choice(values), amount]
        )
    kept = [r for r in rows if r[3]]
    for row in rng.sample(rows, len(rows) // 10):
        rows.insert(rng.randrange(len(rows)), row)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["order", "date", group, "amount"], *rows])
    totals: dict[str, float] = defaultdict(float)
    for row in kept:
        totals[row[2]] += float(row[3])
    wording = (
        f"Clean {source}: drop duplicate rows and rows without an amount, and save it as clean.csv. Then write summary.csv with the "
        f"columns {group},total (the sum of amount per {group}) and draw it as a bar chart in chart.png"
    )
    check = python_check(
        "import csv; clean = list(csv.DictReader(open('clean.csv'))); rows = list(csv.DictReader(open('summary.csv')))\n"
        f"assert len(clean) == {len(kept)}; truth = {dict(totals)!r}\n"
        f"got = {{r[{group!r}]: float(r['total']) for r in rows}}; assert got.keys() == truth.keys()\n"
        "assert all(abs(got[k] - truth[k]) < 0.02 for k in truth)\n"
        "data = open('chart.png', 'rb').read(); assert data[:4] == b'\\x89PNG' and len(data) > 3000"
    )
    return Task(wording, {source: out.getvalue().encode()}, (check,))


def blog_zh(seed: int) -> Task:
    """The seed goal: an article in Chinese, as Markdown. The checks look at form, length, language and subject."""
    rng = random.Random(f"blog:{seed}")
    name = rng.choice(["blog.md", "文章.md", "autogpt.md"])
    wording = rng.choice(
        [
            f"写一篇关于 AutoGPT 的博客文章，保存为 {name}",
            f"请写一篇介绍 AutoGPT 的中文博客文章，用 Markdown 格式，存到 {name}",
        ]
    )
    check = python_check(
        f"text = open({name!r}, encoding='utf-8').read(); wide = sum('\\u4e00' <= c <= '\\u9fff' for c in text)\n"
        "assert wide >= 200 and 'AutoGPT' in text and any(line.startswith('#') for line in text.splitlines())\n"
        "lines = [l for l in text.splitlines() if len(l) > 20]; assert len(set(lines)) >= 0.8 * len(lines)"
    )
    return Task(wording, {}, (check,))


FAMILIES: dict[str, Callable[[int], Task]] = {
    "invoices": invoices,
    "find_file": find_file,
    "tidy": tidy,
    "csv_chart": csv_chart,
    "blog_zh": blog_zh,
}

if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in FAMILIES or not sys.argv[2].isdigit():
        sys.exit(f"usage: python examples/families.py {{{','.join(FAMILIES)}}} SEED FOLDER")
    task = FAMILIES[sys.argv[1]](int(sys.argv[2]))
    task.write(Path(sys.argv[3]))
    print(task.goal, *task.checks, sep="\n")
