"""Directory trees to find things in: services with configuration, code and logs, invoices, letters, minutes, people,
and clutter.

`grow` makes the files and the facts that goals ask about; `plant` puts a tree on disk. Every fact has decoys: an
older backup or draft that says something else, other files that only mention it, near neighbours."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from wornpath.envs.names import NAMES, SETTINGS, Language, Names, Split

MIN_FILES, MAX_FILES = 300, 2000


@dataclass(frozen=True, slots=True)
class Fact:
    """Something a goal can ask: the `slots` of its sentence, the answer, and the file that says so."""

    family: str
    slots: dict[str, str]
    answer: str
    path: str


class _Tree:
    """A tree under construction."""

    def __init__(self, rng: random.Random, names: Names, language: Language, settings: tuple[str, ...]) -> None:
        self.rng, self.names, self.zh, self.settings = rng, names, language == "zh", settings
        self.files: dict[str, str] = {}
        self.facts: list[Fact] = []
        self.numbers: list[str] = []

    def add(self, path: str, *lines: str) -> str:
        self.files[path] = "\n".join(lines) + "\n"
        return path

    def fact(self, family: str, answer: str, path: str, **slots: str) -> None:
        self.facts.append(Fact(family, slots, answer, path))

    def date(self) -> str:
        return f"2025-{self.rng.randint(1, 12):02d}-{self.rng.randint(1, 28):02d}"

    def stale(self, path: str) -> str:
        """PATH as a copy that is not in force would be called."""
        folder, _, name = path.rpartition("/")
        stem, dot, ext = name.rpartition(".")
        forms: tuple[str, ...]
        if self.zh:
            forms = (f"{folder}/{stem}-备份{dot}{ext}", f"旧/{name}", f"{folder}/{stem}(草稿){dot}{ext}")
        else:
            forms = (
                f"{path}.bak",
                f"old/{name}",
                f"{folder}/{stem}-draft{dot}{ext}",
                f"{folder}/{stem}_copy{dot}{ext}",
            )
        return self.rng.choice(forms)


def grow(seed: int, split: Split, language: Language) -> tuple[dict[str, str], list[Fact]]:
    """The files (path → text) and facts of tree SEED."""
    rng = random.Random(f"{seed}/{split}/{language}")
    tree = _Tree(rng, NAMES[split, language], language, SETTINGS[split, language])
    _services(tree)
    _invoices(tree)
    _letters(tree)
    _people(tree)
    _minutes(tree)
    _stock(tree)
    _clutter(tree, int(MIN_FILES * (MAX_FILES / MIN_FILES) ** rng.random()))
    return tree.files, tree.facts


def plant(root: Path, seed: int, split: Split, language: Language) -> tuple[Path, list[Fact]]:
    """The folder of tree SEED under ROOT, made if it is not there yet, and its facts (which lie beside the folder,
    not in it).
    """
    folder = root / f"{split}-{language}-{seed}"
    beside = root / f"{folder.name}.json"
    if not beside.exists():
        files, facts = grow(seed, split, language)
        root.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=root))
        for path, text in files.items():
            target = making / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        try:
            making.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(making)
        part = making.with_suffix(".json")
        part.write_text(json.dumps([asdict(f) for f in facts], ensure_ascii=False), encoding="utf-8")
        part.replace(beside)
    return folder, [Fact(**row) for row in json.loads(beside.read_text(encoding="utf-8"))]


def _services(t: _Tree) -> None:
    for service in t.names.services:
        _configuration(t, service)
        _logs(t, service)
        _code(t, service)


def _values(t: _Tree) -> dict[str, str]:
    made = {
        **dict.fromkeys(("port", "端口"), str(t.rng.randint(3000, 9999))),
        **dict.fromkeys(("timeout", "超时", "interval", "间隔"), f"{t.rng.randint(5, 90)}s"),
        **dict.fromkeys(
            ("region", "区域", "zone", "分区"),
            t.rng.choice(["eu-west", "us-east", "ap-south", "cn-north"]) + f"-{t.rng.randint(1, 9)}",
        ),
        **dict.fromkeys(("workers", "线程数", "shards", "分片数"), str(t.rng.randint(2, 64))),
        **dict.fromkeys(("memory", "内存", "quota", "配额"), f"{t.rng.randint(1, 64) * 128}MB"),
        **dict.fromkeys(("retention", "保留天数"), f"{t.rng.randint(7, 400)}d"),
        **dict.fromkeys(("replicas", "副本数"), str(t.rng.randint(1, 12))),
    }
    return {key: made[key] for key in t.settings}


def _configuration(t: _Tree, service: str) -> None:
    path = t.rng.choice(
        (f"服务/{service}/配置.yaml", f"部署/{service}.yaml")
        if t.zh
        else (f"services/{service}/config.yaml", f"deploy/{service}.yaml")
    )
    title = f"# {service}服务配置" if t.zh else f"# configuration of the {service} service"
    values, old = _values(t), _values(t)
    rows = [f"{k}: {v}" for k, v in values.items()]
    t.rng.shuffle(rows)
    t.add(path, title, *rows, "log: info")
    t.add(t.stale(path), title, *(f"{k}: {v}" for k, v in old.items()))
    key = t.rng.choice(list(values))
    note = _values(t)[key]
    if t.zh:
        t.add(f"笔记/{t.date()}-{service}.md", f"有人建议{service}服务的{key}改为{note},未定。")
        t.add(f"服务/{service}/说明.md", f"{service}服务", f"负责人: {t.rng.choice(t.names.people)}")
    else:
        t.add(
            f"notes/{t.date()}-{service}.md", f"Somebody proposed {key} {note} for the {service} service; not decided."
        )
        t.add(f"services/{service}/README.md", f"The {service} service", f"Owner: {t.rng.choice(t.names.people)}")
    for name, value in values.items():
        t.fact("setting", value, path, service=service, key=name)


def _logs(t: _Tree, service: str) -> None:
    days = sorted({t.date() for _ in range(t.rng.randint(3, 6))})
    for day in days:
        path = f"日志/{service}-{day}.log" if t.zh else f"logs/{service}-{day}.log"
        code, warning = f"E{t.rng.randint(1000, 9999)}", f"W{t.rng.randint(1000, 9999)}"
        mid = [
            f"{t.rng.randint(9, 17)}:{t.rng.randint(10, 59)} INFO request {t.rng.randint(100, 999)}" for _ in range(3)
        ]
        bad = f"18:{t.rng.randint(10, 59)} " + (f"ERROR 错误代码: {code}" if t.zh else f"ERROR error code: {code}")
        odd = f"17:{t.rng.randint(10, 59)} " + (
            f"WARN 警告代码: {warning}" if t.zh else f"WARN warning code: {warning}"
        )
        t.add(path, f"08:00 INFO start {service} {day}", *mid, odd, bad)
        t.fact("log", code, path, service=service, date=day)


def _code(t: _Tree, service: str) -> None:
    for verb in t.rng.sample(t.names.verbs, 3):
        noun = t.rng.choice(("rate", "order", "table", "token", "batch", "label", "price"))
        function = f"{verb}_{noun}_{t.rng.randint(1, 99)}"
        number = t.rng.randint(100, 999)
        while f"src/m{number}/{noun}s.py" in t.files:  # another function is there, and would be lost
            number += 1
        module = f"m{number}"
        path = t.add(f"src/{module}/{noun}s.py", f"def {function}(value):", "    return value")
        t.add(f"src/{module}/main.py", f"from {module}.{noun}s import {function}", f"print({function}(1))")
        t.add(f"tests/test_{module}.py", f"from {module}.{noun}s import {function}", f"assert {function}(2) == 2")
        if t.rng.random() < 0.6:
            t.add(t.stale(path), f"def {function}(value):", "    return None")
        t.fact("code", path, path, function=function, service=service)


def _money(t: _Tree) -> str:
    return f"{t.rng.randint(100, 9999)}.{t.rng.randint(0, 99):02d}"


def _invoices(t: _Tree) -> None:
    for number in t.rng.sample(range(1000, 9999), 30):
        company, date = t.rng.choice(t.names.companies), t.date()
        total, other, wrong = _money(t), _money(t), _money(t)
        if t.zh:
            code = f"FP-{number}"
            rows = [f"发票 {code}", f"客户: {company}", f"日期: {date}", f"货款: {other}", f"合计: {total}"]
            path = t.add(f"发票/{date[:4]}/{code}-{company}.txt", *rows)
            draft = [*rows[:4], f"合计: {wrong}"]
            t.add(f"信件/{date}-催款-{code}.txt", f"致: {company}", f"发票 {code} 尚欠 {other} 元。")
        else:
            code = f"INV-{number}"
            rows = [f"Invoice {code}", f"Customer: {company}", f"Date: {date}", f"Goods: {other}", f"Total: {total}"]
            path = t.add(f"invoices/{date[:4]}/{code}-{company.lower()}.txt", *rows)
            draft = [*rows[:4], f"Total: {wrong}"]
            t.add(f"letters/{date}-reminder-{code}.txt", f"To: {company}", f"Of invoice {code} {other} is still open.")
        if t.rng.random() < 0.6:
            t.add(t.stale(path), *draft)
        t.fact("invoice", total, path, number=code, company=company)


def _letters(t: _Tree) -> None:
    for company in t.names.companies:
        for subject in t.rng.sample(t.names.subjects, 3):
            date = t.date()
            person, other = t.rng.sample(t.names.people, 2)
            slug = subject.replace(" ", "-")
            if t.zh:
                head = [f"致: {company}", f"事由: {subject}", f"日期: {date}", f"抄送: {other}"]
                path = t.add(
                    f"信件/{date}-{company}-{subject}.txt", *head, "尊敬的先生女士:", "详见附件。", f"签名: {person}"
                )
                old = f"签名: {other}"
            else:
                head = [f"To: {company}", f"Subject: {subject}", f"Date: {date}", f"Copy: {other}"]
                path = t.add(
                    f"letters/{date}-{company.lower()}-{slug}.txt",
                    *head,
                    "Dear all,",
                    "see enclosed.",
                    f"Signed: {person}",
                )
                old = f"Signed: {other}"
            if t.rng.random() < 0.5:
                t.add(t.stale(path), *head, old)
            t.fact("letter", person, path, company=company, subject=subject)


def _people(t: _Tree) -> None:
    rows = {
        p: (f"0{t.rng.randint(20, 99)}-{t.rng.randint(100000, 999999)}", f"user{t.rng.randint(10, 99)}@example.org")
        for p in t.names.people
    }
    head = "姓名,电话,邮箱,房间" if t.zh else "name,phone,mail,room"
    table = [f"{p},{phone},{mail},{t.rng.randint(100, 400)}" for p, (phone, mail) in rows.items()]
    path = t.add("人员/通讯录.csv" if t.zh else "people/directory.csv", head, *table)
    older = [f"{p},0{t.rng.randint(20, 99)}-{t.rng.randint(100000, 999999)},-,-" for p in rows]
    t.add(t.stale(path), head, *older)
    for person, (phone, mail) in rows.items():
        t.fact("contact", phone, path, person=person)
        t.fact("mail", mail, path, person=person)


def _minutes(t: _Tree) -> None:
    for project in t.names.projects:
        days = sorted({t.date() for _ in range(t.rng.randint(3, 6))})
        folder, word = ("纪要", "会议纪要") if t.zh else ("minutes", "minutes")
        paths = []
        for day in days:
            name = f"{folder}/{project}-{word}-{day}.md" if t.zh else f"{folder}/{project.lower()}-{word}-{day}.md"
            title = f"{project}项目会议纪要 {day}" if t.zh else f"Minutes of project {project}, {day}"
            paths.append(t.add(name, title, f"{t.rng.choice(t.names.people)}: ok"))
        t.add(t.stale(paths[-1].replace("2025", "2026")), "draft")
        t.fact("newest", paths[-1], paths[-1], project=project)


def _stock(t: _Tree) -> None:
    for place in t.names.places:
        rows = {item: str(t.rng.randint(10, 9000)) for item in t.names.items}
        head = "货品,数量,货架" if t.zh else "item,quantity,shelf"
        path = t.add(
            f"仓库/{place}.csv" if t.zh else f"stock/{place.lower()}.csv",
            head,
            *(f"{i},{n},A{t.rng.randint(1, 40)}" for i, n in rows.items()),
        )
        for item, count in rows.items():
            t.fact("stock", count, path, item=item, place=place)


def _clutter(t: _Tree, total: int) -> None:
    """Files that mention names and settings without answering anything, up to TOTAL files."""
    number = 0
    while len(t.files) < total:
        number += 1
        service, company, person = (
            t.rng.choice(t.names.services),
            t.rng.choice(t.names.companies),
            t.rng.choice(t.names.people),
        )
        day, key = t.date(), t.rng.choice(t.settings)
        if t.zh:
            t.add(
                *t.rng.choice(
                    (
                        (f"邮件/{day}-{number}.txt", f"发件人: {person}", f"{company}来访,讨论{service}。"),
                        (f"笔记/{day}-{number}.md", f"待办: 给{company}回信", f"问{person}{key}的事"),
                        (f"备份/{day}/{number}.txt", f"{service} {company}", f"数量: {t.rng.randint(1, 99)}"),
                        (f"导出/{number}.csv", "编号,金额", f"{number},{_money(t)}"),
                    )
                )
            )
        else:
            t.add(
                *t.rng.choice(
                    (
                        (f"mail/{day}-{number}.txt", f"From: {person}", f"{company} will visit, topic {service}."),
                        (f"notes/{day}-{number}.md", f"todo: answer {company}", f"ask {person} about the {key}"),
                        (f"backup/{day}/{number}.txt", f"{service} {company}", f"quantity: {t.rng.randint(1, 99)}"),
                        (f"exports/{number}.csv", "id,amount", f"{number},{_money(t)}"),
                    )
                )
            )
