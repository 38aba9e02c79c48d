"""Programs that put files into folders."""

from __future__ import annotations

import json

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
