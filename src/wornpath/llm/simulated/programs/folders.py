"""Programs that put files into folders."""

from __future__ import annotations

import json
import re

from wornpath.llm.simulated.programs.parts import lines, quoted, site
from wornpath.llm.simulated.reading import View, groups


def sort_by_extension(view: View) -> str | None:
    """Files into subfolders by rules of the form `name (ext, ext)`."""
    rules = groups(view.goal)
    known = {"jpg", "png", "pdf", "txt", "csv", "zip", "mp3", "html", "docx", "xlsx", "wav", "md", "gif", "css"}
    members = {m for kinds in rules.values() for m in kinds}
    if len(rules) < 2 or not view.folder or not members & known:
        return None
    bare = view.folder.rsplit("/", 1)[-1]
    least = dict(list(rules.items())[:-1])
    return lines(
        "import shutil",
        "from pathlib import Path",
        "",
        f"root = Path({site(quoted(view.folder), quoted(bare) if bare != view.folder else quoted(view.folder + '/files'))})",
        f"folders = {site(json.dumps(rules, ensure_ascii=False), json.dumps(least, ensure_ascii=False))}",
        "for path in sorted(p for p in root.iterdir() if p.is_file()):",
        f'    kind = path.suffix{site(".lower()", "")}.lstrip(".")',
        "    for name, kinds in folders.items():",
        "        if kind in kinds:",
        f"            {site('(root / name).mkdir(exist_ok=True)', '(root / name / path.name).mkdir(exist_ok=True)')}",
        f"            shutil.move(path, {site('root / name / path.name', 'Path(name) / path.name')})",
        '            print(path.name, "->", name)',
    )


def rename(view: View) -> str | None:
    """Files called after two of their lines, as an example in the goal shows."""
    labels = re.search(r"lines (\w+) and (\w+)|(\w+) 和 (\w+) (?:两行|的内容)", view.goal)
    example = re.search(r"\d{4}-\d\d-\d\d([_.])[\w-]+\.(\w+)", view.goal, re.ASCII)
    if labels is None or example is None or not view.folder:
        return None
    first, second = (g for g in labels.groups() if g)
    joined = site(f'f"{{first}}{example[1]}{{second}}"', f'f"{{second}}{example[1]}{{first}}"')
    slug = site('.lower().replace(" ", "-")', '.lower().replace(" ", "_")')
    return lines(
        "import re",
        "from pathlib import Path",
        "",
        f"for path in sorted(Path({quoted(view.folder)}).glob({quoted(f'*.{example[2]}')})):",
        '    text = path.read_text(encoding="utf-8")',
        f'    first = re.search(r"^{first}: (.+)$", text, re.M).group(1).strip()',
        f'    second = re.search(r"^{second}: (.+)$", text, re.M).group(1).strip()',
        f"    name = {joined}{slug}{site(' + path.suffix', '')}",
        f"    path.rename({site('path.with_name(name)', 'name')})",
        '    print(path.name, "->", name)',
    )
