"""Programs about mails."""

from __future__ import annotations

import json
import re

from wornpath.llm.simulated.programs.parts import lines, quoted, site
from wornpath.llm.simulated.reading import View, groups

_REST = re.compile(r"(?:go(?:es)? to|else to|放进|归入|移到)\s*([^\s,，;；。.]+)\s*$")


def sort_by_subject(view: View) -> str | None:
    """Mails into subfolders by words in their subject, `name (word, word)`, the others into a folder of their own."""
    rules, rest = groups(view.goal), _REST.search(view.goal)
    if not rules or rest is None or not view.folder or not re.search(r"mail|eml|邮件|message", view.goal, re.I):
        return None
    subject = site('str(mail["Subject"]).lower()', 'path.read_text(encoding="utf-8").lower()')
    place = "next((name for name, words in rules.items() if any(word in subject for word in words)), "
    return lines(
        "import email",
        "import shutil",
        "from email import policy",
        "from pathlib import Path",
        "",
        f"root = Path({quoted(view.folder)})",
        f"rules = {json.dumps(rules, ensure_ascii=False)}",
        'for path in sorted(root.glob("*.eml")):',
        f"    mail = email.message_from_bytes(path.read_bytes(){site(', policy=policy.default', '')})",
        f"    subject = {subject}",
        f"    place = {place}{site(quoted(rest[1]), 'None')})",
        f"    {site('(root / place).mkdir(exist_ok=True)', 'Path(place).mkdir(exist_ok=True)')}",
        "    shutil.move(path, root / place / path.name)",
        '    print(path.name, "->", place)',
    )
