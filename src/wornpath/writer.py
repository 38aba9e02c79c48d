"""The writer: arguments of long free text. Candidates leave them open; they are written by one call after the choice, not one a candidate.

A program is asked for with one worked example of its kind, since a small model follows an example far better than a rule.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from wornpath.core import Action
from wornpath.experience import Tracker
from wornpath.llm.chat import Chat, Completion, Message
from wornpath.llm.tokens import clip
from wornpath.tools import Tool

PROGRAM = """\
You write one short Python 3 program for the task, and nothing beyond the task. It runs in the user's folder. Libraries: {libraries}.
Work on every file there is, not only those shown, and take each field from where the files shown have it. Write just the files and
columns that the task names, and print a short summary. Never make up data. Answer with the program only, in a ```python block.
{example}"""

FROM_TEXTS = """\
Example. Task: Write rain.csv (columns station,rain): the rain of each station, added up over the sheets in notes/
notes/a1.txt begins:
Station: Hill Top
Rain: 3.5 mm
```python
import csv, glob, re
from collections import defaultdict

def number(text):
    return float(re.search(r"-?[\\d.]+", text.replace(",", "")).group())

# The task wants the rain of each station: the lines Station and Rain, which may stand anywhere in a sheet
rain = defaultdict(float)
for path in sorted(glob.glob("notes/*.txt")):
    text = open(path, encoding="utf-8").read()
    station = re.search(r"^Station: (.+)$", text, re.M).group(1).strip()
    rain[station] += number(re.search(r"^Rain: (.+)$", text, re.M).group(1))
with open("rain.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["station", "rain"])
    for station, total in sorted(rain.items()):
        writer.writerow([station, round(total, 2)])
print(dict(rain))
```"""

TO_JSON = """\
Example. Task: Write rain.json: a list with station and rain (Fallen), a number, of each sheet in notes/, by station
notes/a1.txt begins:
Station: Hill Top
Fallen: 1,003.5 mm
```python
import glob, json, re

def number(text):
    return float(re.search(r"-?[\\d.]+", text.replace(",", "")).group())

# The task wants station from the line Station and rain as a number from the line Fallen; they may stand anywhere in a sheet
records = []
for path in sorted(glob.glob("notes/*.txt")):
    line = dict(re.findall(r"^(.+?) *[:：] *(.+)$", open(path, encoding="utf-8").read(), re.M))
    records.append({"station": line["Station"], "rain": number(line["Fallen"])})
records.sort(key=lambda record: record["station"])
with open("rain.json", "w", encoding="utf-8") as file:
    json.dump(records, file, ensure_ascii=False, indent=2)
print(records)
```"""

FROM_LINES = """\
Example. Task: Write visits.csv (columns page,visits): how often each page was asked for with status 200, by the logs in web/
web/monday.log begins:
10:02:11 GET /home 200 13ms
10:02:14 GET /price 404 2ms
A line taken apart by [p.split("=")[-1].strip(" []:") for p in line.split(None, 4)] has 5 parts; name all of them \
in this order: ["10:02:11", "GET", "/home", "200", "13ms"]
```python
import csv, glob
from collections import Counter

visits = Counter()
for path in sorted(glob.glob("web/*.log")):
    for line in open(path, encoding="utf-8"):
        parts = [p.split("=")[-1].strip(" []:") for p in line.split(None, 4)]
        if len(parts) == 5:
            time, method, page, status, duration = parts
            if status == "200":
                visits[page] += 1
with open("visits.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["page", "visits"])
    for page, count in sorted(visits.items()):
        writer.writerow([page, count])
print(dict(visits))
```"""

FROM_TABLES = """\
Example. Task: Keep the rows of weather.csv that have a temp, without repeated rows, in kept.csv; write days.csv (columns month,days) with
the number of days of each month, and draw it as days.png
weather.csv begins:
id,day,city,temp
1,2020-01-31,Bern,4.5
```python
import pandas as pd
import matplotlib.pyplot as plt

table = pd.read_csv("weather.csv").drop_duplicates().dropna(subset=["temp"])
table.to_csv("kept.csv", index=False)
# days.csv has one row for each month, so it is grouped by month alone; its columns are month, days
table["month"] = table["day"].str[:7]
days = table.groupby("month")["temp"].count().reset_index(name="days")
days.to_csv("days.csv", index=False)
print(days)
plt.figure()
plt.bar(days["month"], days["days"])
plt.ylabel("days")
plt.savefig("days.png")
```"""

FROM_SHEETS = """\
Example. Task: Write wet.csv (columns station,rain) with the rain of each station, least first; each sheet in rain/ is one station's
rain/hill.csv begins:
day,mm
2020-01-03,4
```python
import pandas as pd
from pathlib import Path

tables = []
for path in sorted(Path("rain").glob("*.csv")):
    table = pd.read_csv(path)
    table["station"] = path.stem
    tables.append(table)
rain = pd.concat(tables, ignore_index=True)
# one row for each station, so it is grouped by station alone; its columns are station, rain; the least rain comes first
total = rain.groupby("station")["mm"].sum().reset_index(name="rain").sort_values("rain")
total.to_csv("wet.csv", index=False)
print(total)
```"""

FROM_MAILS = """\
Example. Task: Sort the mails in post/ by who sent them into folders inside post/: clubs (rowing, choir), shops (books, shoes),
the rest into others
post/7.eml begins:
From: City Choir <sing@example.org>
Subject: Next Friday
```python
import email, email.policy, shutil
from pathlib import Path

# The task sorts by who sent them, so it looks at message["from"], not at message["subject"] or message.get_body()
root = Path("post")
folders = {"clubs": ["rowing", "choir"], "shops": ["books", "shoes"]}
for path in sorted(root.glob("*.eml")):
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    said = message["from"]
    fitting = [name for name, kinds in folders.items() if any(kind in said.lower() for kind in kinds)]
    name = fitting[0] if fitting else "others"
    (root / name).mkdir(exist_ok=True)
    shutil.move(path, root / name / path.name)
    print(path.name, said, "->", name)
```"""

BY_TEXT = """\
Example. Task: Call each letter in post/ after its line Town, in upper case
post/a1.md begins:
Town: Hill Top
Date: 2020-01-31
```python
import re
from pathlib import Path

# The name is the letter's line Town in upper case; the line may stand anywhere, so it is searched for in the whole text
root = Path("post")
for path in sorted(root.glob("*.md")):
    text = path.read_text(encoding="utf-8")
    town = re.search(r"^Town: (.+)$", text, re.M).group(1).strip()
    name = town.upper() + path.suffix
    path.rename(root / name)
    print(path.name, "->", name)
```"""

MENDING = """\
Example. Task: area in shapes.py is wrong; mend it, so that test_shapes.py passes
shapes.py begins:
def area(width, height):
    return width + height
test_shapes.py begins:
assert area(2, 3) == 6
```python
from pathlib import Path

# The test wants 6 for area(2, 3); width + height gives 5, so the wrong line is: return width + height
path = Path("shapes.py")
code = path.read_text(encoding="utf-8")
assert "return width + height" in code
code = code.replace("return width + height", "return width * height")
path.write_text(code, encoding="utf-8")
print(code)
```"""

WITH_FILES = """\
Example. Task: Move the recordings in tapes/ into folders inside tapes/: speech (ogg, opus), video (mkv)
```python
import shutil
from pathlib import Path

root = Path("tapes")
folders = {"speech": ["ogg", "opus"], "video": ["mkv"]}
for path in sorted(p for p in root.iterdir() if p.is_file()):
    kind = path.suffix.lower().lstrip(".")
    for name, kinds in folders.items():
        if kind in kinds:
            (root / name).mkdir(exist_ok=True)
            shutil.move(path, root / name / path.name)
            print(path.name, "->", name)
```"""

TEXT = """\
You write the text of a file or message for the task: complete, in the language of the goal, with only facts that are shown or
commonly known. Answer with the text only, no comments about it."""

ANSWER = """\
You give the user the result of a finished task in one to three sentences, in the language of the goal. Use only what is shown."""

FORMS = {
    ".md": ". Format: Markdown; a title with #, sections with ##",
    ".html": ". Format: a whole HTML page",
    ".csv": ". Format: CSV with a header line",
    ".json": ". Format: JSON",
    ".txt": ". Format: plain text",
}
TEMPERATURES = (0.0, 0.6, 0.9)
TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".parquet")
_LABEL = re.compile(r"^\w[\w ]{0,20}[:：] \S", re.MULTILINE)
TAKEN_APART = "A line taken apart by"
"""So begins what the material says of the lines of a log."""


class Writer:
    """Writes programs, texts and answers. LIBRARIES are what programs may import besides the standard library."""

    def __init__(self, chat: Chat, libraries: Sequence[str] = ()) -> None:
        self.chat = chat
        self.libraries = ", ".join(["the standard library", *libraries])

    def messages(
        self,
        tool: Tool,
        name: str,
        action: Action,
        tracker: Tracker,
        material: str,
        files: Sequence[str],
        problem: str = "",
    ) -> list[Message]:
        """The prompt for argument NAME of ACTION: the task, the MATERIAL it is about, and what went wrong before. FILES are the paths that
        the material shows; their types decide which worked example a program gets."""
        program = tool.text[name] == "code"
        goal, active = tracker.goal.text if tracker.goal else "", tracker.active
        now = active.description if active else ""
        parts = [f"Goal: {clip(goal, self.chat.sizes.state)}"]
        if now and now != goal:
            parts.append(f"Task: {now}")
        if not program:
            suffixes = [PurePosixPath(str(v)).suffix.casefold() for v in action.arguments.values()]
            form = next((FORMS[s] for s in suffixes if s in FORMS), "")
            parts.append(f"Write the {name} of {_addressee(tool, action)}{form}")
        known = [fact for fact in tracker.facts if not fact.startswith(tuple(f"{f}:" for f in files))][-6:]
        if known:
            parts.append("Known: " + clip("; ".join(known), self.chat.sizes.state // 3))
        parts += [material, problem, "" if program else language_hint(goal)]
        system = TEXT
        if program:
            example = _example(active.kind if active else "other", goal, files, material)
            system = PROGRAM.format(libraries=self.libraries, example=example)
        return [{"role": "system", "content": system}, {"role": "user", "content": "\n".join(p for p in parts if p)}]

    async def write(
        self, messages: Sequence[Message], *, tries: int = 0, on_text: Callable[[str], None] | None = None
    ) -> Completion:
        """One argument of free text; the answer is read by `unfenced`. After some TRIES it is sampled, the more the wider, so that it
        differs."""
        temperature = TEMPERATURES[min(tries, len(TEMPERATURES) - 1)]
        return await self.chat.complete(
            messages, max_tokens=self.chat.sizes.text, temperature=temperature, on_text=on_text
        )

    def answer_messages(self, tracker: Tracker) -> list[Message]:
        """The prompt for what the user is told at the end."""
        sizes = self.chat.sizes
        shown = tracker.text(budget=sizes.state + sizes.result)
        goal = tracker.goal.text if tracker.goal else ""
        return [
            {"role": "system", "content": ANSWER},
            {"role": "user", "content": f"{shown}\n{language_hint(goal)}".rstrip()},
        ]


def _addressee(tool: Tool, action: Action) -> str:
    """What a text is for, by the arguments that are known: the file, else the tool call."""
    if "path" in action.arguments:
        return str(action.arguments["path"])
    known = ", ".join(f"{k} {v}" for k, v in action.arguments.items() if k not in tool.text)
    return tool.name + (f" ({known})" if known else "")


def language_hint(goal: str) -> str:
    """A reminder in the goal's own language where a small model would slip into English."""
    wide = sum("\u4e00" <= char <= "\u9fff" for char in goal)
    kana = any("\u3040" <= char <= "\u30ff" for char in goal)
    return "请用中文写。" if wide >= 4 and not kana else ""


def _example(kind: str, goal: str, files: Sequence[str], material: str) -> str:
    """The worked example nearest to a subtask of KIND, of GOAL, on FILES, of which MATERIAL tells."""
    if _most(files, (".eml",)):
        return FROM_MAILS
    if kind == "code" or _most(files, (".py",)):
        return MENDING
    if kind == "organise":
        alike = len({PurePosixPath(f).suffix for f in files}) == 1
        return BY_TEXT if alike and _LABEL.search(material.partition(" begins:\n")[2]) else WITH_FILES
    if _most(files, TABLES):
        folders = Counter(PurePosixPath(f).parent for f in files if PurePosixPath(f).name not in goal)
        return FROM_SHEETS if max(folders.values(), default=0) > 1 else FROM_TABLES
    if material.count(f"\n{TAKEN_APART}") * 2 > len(files):
        return FROM_LINES
    return TO_JSON if ".json" in goal.casefold() else FROM_TEXTS


def _most(files: Sequence[str], suffixes: tuple[str, ...]) -> bool:
    """Whether most of FILES end in one of SUFFIXES."""
    return sum(PurePosixPath(f).suffix.casefold() in suffixes for f in files) * 2 > len(files)


def libraries() -> list[str]:
    """The libraries for data work that programs in the sandbox can import here."""
    from importlib.util import find_spec

    return [name for name in ("numpy", "pandas", "matplotlib") if find_spec(name) is not None]
