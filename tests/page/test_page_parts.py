"""The page's own modules, each for itself: what a browser makes of Markdown, CSV, diffs, events, figures and words."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_world import PlayedChat, Site, begin, end, step
from playwright.sync_api import Browser, Page

import wornpath.serve

PAGE = Path(wornpath.serve.__file__).with_name("page")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=80)


@pytest.fixture(scope="module")
def modules(browser: Browser, tmp_path_factory: Any) -> Iterator[Page]:
    """A page on which `import` finds the page's modules."""
    from agent_world import Brain

    with Site(tmp_path_factory.mktemp("home"), PlayedChat(Brain()), token=None) as site:
        page = browser.new_page()
        page.goto(site.url)
        yield page
        page.close()


def call(page: Page, module: str, code: str, value: Any = None) -> Any:
    """What CODE, the body of a function of `m` (the MODULE) and `x` (VALUE), returns."""
    return page.evaluate(
        f"async (x) => {{ const m = await import(new URL('static/lib/{module}.js', document.baseURI)); {code} }}", value
    )


def markdown(page: Page, text: str) -> str:
    return call(page, "markdown", "return m.renderMarkdown(x).innerHTML", text)


HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "[click](javascript:window.hacked=1)",
    "![x](https://example.org/track.png)",
    "[x](data:text/html,<script>1</script>)",
    "[a](<javascript:alert(1)>)",
    "<https://example.org/<script>>",
    "| <b>a</b> | b |\n|---|---|\n| <svg onload=alert(1)> | 2 |",
    "# <iframe src=//example.org>",
    '```"><script>alert(1)</script>\ncode\n```',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_of_others_makes_no_markup_but_its_own(modules: Page, text: str) -> None:
    tags, links = call(
        modules,
        "markdown",
        """const box = m.renderMarkdown(x); document.body.append(box);
        const all = [...box.querySelectorAll('*')];
        box.remove();
        const said = (one) => [...one.attributes].map((a) => `${a.name}=${a.value}`);
        return [all.map((one) => one.tagName.toLowerCase()), all.flatMap(said)];""",
        text,
    )
    known = {"p", "a", "span", "table", "thead", "tbody", "tr", "th", "td", "div", "code", "pre", "h3", "br"}
    assert set(tags) <= known
    assert not [one for one in links if re.match(r"(on|src|style)|href=(?!https?:|mailto:)", one)]
    assert modules.evaluate("window.hacked") is None


@given(text=st.text(st.sampled_from("ab*_`~[]()!<>#-+|\n 1.\\&\"'"), max_size=60))
@settings(max_examples=150)
def test_markdown_never_fails_and_keeps_the_words(modules: Page, text: str) -> None:
    shown = call(modules, "markdown", "return m.renderMarkdown(x).textContent", text)
    assert (
        [c for c in shown if c in "ab"] == [c for c in text if c in "ab"] or "`" in text or "~" in text or "](" in text
    )


def test_markdown_has_the_forms_that_models_write(modules: Page) -> None:
    html = markdown(
        modules,
        "# Title\n\nA *b* **c** `d` ~~e~~ [f](https://g.hi)  \nnext snake_case_name\n\n- one\n  - two\n- three\n\n"
        "3. x\n4. y\n\n> said\n\n---\n\n"
        "| a | b |\n|---|--:|\n| 1 | `x\\|y` |\n\n```python\nprint('<b>')\n```\n",
    )
    for part in (
        '<h3 class="md-h1">Title</h3>',
        "A <em>b</em> <strong>c</strong> <code>d</code> <s>e</s>",
        '<a href="https://g.hi" target="_blank" rel="noopener noreferrer">f</a><br>next snake_case_name',
        "<ul><li><p>one</p><ul><li>two</li></ul></li><li>three</li></ul>",
        '<ol start="3"><li>x</li><li>y</li></ol>',
        "<blockquote><p>said</p></blockquote>",
        "<hr>",
        '<tr><td>1</td><td class="number"><code>x|y</code></td></tr>',
        "<code>print('&lt;b&gt;')</code>",
    ):
        assert part in html, part


@given(
    rows=st.lists(st.lists(TEXTS.map(lambda s: s.replace("\0", "")), min_size=2, max_size=4), min_size=1, max_size=6)
)
@settings(max_examples=100)
def test_csv_is_read_as_python_writes_it(modules: Page, rows: list[list[str]]) -> None:
    rows = [["a", "b"], *rows]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(rows)
    assert call(modules, "csv", "return m.parseCsv(x).rows", out.getvalue()) == rows


def test_csv_of_other_separators_and_shapes(modules: Page) -> None:
    assert call(modules, "csv", "return m.parseCsv(x).rows", "\ufeffa;b\r\n1,5;2\r\n") == [["a", "b"], ["1,5", "2"]]
    assert call(modules, "csv", "return m.parseCsv(x).rows", 'a\tb\n"x\ny"\t') == [["a", "b"], ["x\ny", ""]]
    assert call(modules, "csv", "return m.parseCsv(x, 2)", "a,b\n1,2\n3,4\n")["more"] is True
    assert call(modules, "csv", "return [m.numeric(['1', '-2.5', '1,000', '']), m.numeric(['1', 'x'])]") == [
        True,
        False,
    ]


def test_a_removed_line_of_dashes_is_no_head(modules: Page) -> None:
    diff = "--- a/x\n+++ b/x\n@@ -1,3 +1,2 @@\n same\n--- a line\n-++ b\n+new\n@@ -9 +8 @@\n-old\n+now\n"
    kinds = call(
        modules,
        "diff",
        "return [...m.renderDiff(x).querySelectorAll('.diff-line')].map((one) => one.className.slice(10))",
        diff,
    )
    assert kinds == ["hunk", "same", "removed", "removed", "added", "hunk", "removed", "added"]
    assert call(modules, "diff", "return m.countDiff(x)", diff) == {"added": 2, "removed": 3}


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (3, 7), (20, 20), (41, 97)])
def test_intervals_are_wilsons(modules: Page, successes: int, n: int) -> None:
    z, p = 1.959964, successes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = call(modules, "stats", "return m.wilson(...x)", [successes, n])
    assert (low, high) == pytest.approx((max(0, middle - half), min(1, middle + half)))


def test_a_curve_looks_back_on_judged_runs_only(modules: Page) -> None:
    points = [{"success": s, "tokens": t} for s, t in ((1, 10), (None, 20), (0, 30), (0, 40), (1, 50), (1, 60))]
    curve = call(modules, "stats", "return m.rolling(x, 3)", points)
    assert [one["rate"] for one in curve] == pytest.approx([1, 1, 1 / 2, 1 / 3, 1 / 3, 2 / 3])
    assert [one["tokens"] for one in curve] == [10, 15, 20, 30, 40, 50]


CHECKS = ["test -s a.md", "python -c 'import x\nassert \"it\" == '\"'\"'1'\"'\"", 'echo "a\nb" \\\n  | wc']


def test_checks_are_commands_not_lines(modules: Page) -> None:
    assert call(modules, "shell", "return m.shellCommands(x)", "\n\n".join(CHECKS) + "\n") == CHECKS


def a_run(*parts: Any) -> list[dict[str, Any]]:
    records = [one for part in parts for one in part]
    return [
        {"v": 1, "seq": i, "run_id": "r", "time": 1000.0 + i, "step": number, "type": type, "data": data}
        for i, (type, data, number) in enumerate(records, 1)
    ]


FOLDED = """const r = m.fold('r', x);
    return {s: r.status, steps: r.steps.size, tokens: r.tokens, rows: r.rows.map((o) => o.kind), skipped: r.skipped};"""


def test_events_fold_to_a_run_whatever_comes_twice_or_is_unknown(modules: Page) -> None:
    events = a_run(begin("x", Path("/w"), ["a"]), step(1), step(2, by="policy"), end("r", 2))
    whole = call(modules, "fold", FOLDED, events)
    assert whole == {
        "s": "met",
        "steps": 2,
        "tokens": {"prompt": 800, "completion": 60},
        "rows": ["plan", "subtask", "step", "step", "verdict", "finished"],
        "skipped": 1,
    }
    odd = [{**events[3], "type": "something.new"}, {"seq": 10_000, "type": "plan.made", "data": None, "run_id": "r"}]
    again = sorted([*events, *events[3:9]], key=lambda e: e["seq"])
    assert call(modules, "fold", FOLDED, again) == whole
    assert call(modules, "fold", FOLDED, [*events, *odd])["steps"] == 2


def test_what_a_run_asked_does_not_wait_when_it_is_over(modules: Page) -> None:
    asked = {"id": "q", "kind": "approval", "action": {"tool": "delete_file", "arguments": {}}, "risk": "delete"}
    events = a_run(
        begin("x", Path("/w"), ["a"]), step(1)[:2], [("approval.requested", asked, 1)], end("r", 1, "cancelled")[2:]
    )
    code = """const r = m.fold('r', x);
        return [r.pending.size, r.rows.map((row) => [row.kind, row.state ?? null, row.over ?? null])];"""
    pending, rows = call(modules, "fold", code, events)
    assert pending == 0
    assert [row for row in rows if row[0] in ("step", "asked")] == [["step", "decided", None], ["asked", None, True]]


@pytest.mark.parametrize("status", ["budget", "error", "cancelled"])
def test_a_subtask_is_not_in_work_when_its_run_is_over(modules: Page, status: str) -> None:
    over = a_run(begin("x", Path("/w"), ["a", "b"]), step(1), end("r", 1, status)[2:])
    code = "const r = m.fold('r', x); return [...r.plan.subtasks, ...r.rows.filter((o) => o.kind === 'subtask')].map((o) => o.status);"
    assert call(modules, "fold", code, over) == ["stopped", "pending", "stopped"]
    again = {**over[-1], "seq": len(over) + 1, "type": "run.resumed", "data": {}}
    assert call(modules, "fold", code, [*over, again]) == ["active", "pending", "active"]


@pytest.mark.parametrize(
    "text", ['{"n":12345678901234567891,"m":[-9007199254740993,0.1,7],"s":"x"}', "[1e300,1]", '""']
)
def test_numbers_stay_as_they_were_written(modules: Page, text: str) -> None:
    said = call(modules, "json", "return JSON.stringify(m.parseJson(x))", text)
    assert json.loads(said) == json.loads(text)


def test_what_is_not_changed_in_an_approval_goes_back_as_it_came(modules: Page) -> None:
    """Ends of lines and large whole numbers, too; what is changed has the ends of lines that it had."""
    given_ = {
        "text": "a\r\nb\r\n",
        "unix": "a\nb\n",
        "mixed": "a\r\nb\n",
        "big": 12345678901234567891,
        "many": [2**60 + 1],
    }
    code = """const { parseJson } = await import(new URL('static/lib/json.js', document.baseURI));
        const made = m.argumentFields({ id: 'q', action: { arguments: parseJson(x.text) } });
        for (const [name, value] of Object.entries(x.typed)) {
          const field = made.element.querySelector(`[id="argument-q-${name}"]`);
          field.value = value;
        }
        return JSON.stringify(made.read());"""

    def read(**typed: str) -> Any:
        return json.loads(call(modules, "../views/approval", code, {"text": json.dumps(given_), "typed": typed}))

    assert read() == given_
    changed = read(text="a\nc\n", mixed="d\ne", big="98765432109876543210")
    assert changed == {**given_, "text": "a\r\nc\r\n", "mixed": "d\ne", "big": 98765432109876543210}


@given(cut=st.integers(0, 17))
@settings(max_examples=18)
def test_a_fold_of_the_beginning_goes_on_to_the_whole(modules: Page, cut: int) -> None:
    events = a_run(begin("x", Path("/w"), ["a"]), step(1), step(2), end("r", 2))
    code = (
        "const r = m.fold('r', x.events, x.cut); for (const e of x.events) r.apply(e); const w = m.fold('r', x.events);"
    )
    same = call(
        modules,
        "fold",
        f"{code} return JSON.stringify(r.rows) === JSON.stringify(w.rows)",
        {"events": events, "cut": cut},
    )
    assert same


def test_both_languages_say_everything_with_the_same_values() -> None:
    books = {}
    for language in ("en", "zh"):
        source = (PAGE / "words" / f"{language}.js").read_text("utf-8")
        pairs = re.findall(r'^  "?([\w-]+)"?:\s+(".*"),$', source, re.MULTILINE)
        books[language] = {key: json.loads(text) for key, text in pairs}
        assert len(books[language]) == len(pairs) > 300
    assert books["en"].keys() == books["zh"].keys()
    for key, text in books["en"].items():
        asked = set(re.findall(r"\{(\w+)\}", text))
        other = set(re.findall(r"\{(\w+)\}", books["zh"][key]))
        assert asked == other or (key.endswith("_one") and asked == set()), key
        assert books["zh"][key].strip(), key
    assert not [text for book in books.values() for text in book.values() if re.search("[\U0001f300-\U0001faff]", text)]


def test_every_word_that_is_asked_for_is_in_the_books() -> None:
    source = "".join(path.read_text("utf-8") for path in PAGE.rglob("*.js") if path.parent.name != "words")
    book = (PAGE / "words" / "en.js").read_text("utf-8")
    known = set(re.findall(r'^  "?([\w-]+)"?:', book, re.MULTILINE))
    assert set(re.findall(r'\b(?:t|known)\("([\w-]+)"', source)) <= known
    starts = set(re.findall(r"\b(?:t|known)\(`([a-z_]+_)\$\{", source))
    assert all(any(key.startswith(start) for key in known) for start in starts)


def test_every_icon_is_drawn_and_nothing_goes_in_as_markup() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (PAGE / "icons.svg").read_text("utf-8")))
    for path in PAGE.rglob("*.js"):
        source = path.read_text("utf-8")
        assert set(re.findall(r'\b(?:icon|empty)\("([\w-]+)"|mark: "([\w-]+)"', source)) <= {(n, "") for n in drawn} | {
            ("", n) for n in drawn
        }
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", source), (
            path.name
        )
        assert "https://" not in source.replace("http://www.w3.org", "").replace("(https?:", ""), path.name


def test_a_file_that_is_written_again_is_news(modules: Page) -> None:
    """The panels of files and changes draw anew when `writes` did, not when there is one more file."""
    events = [{"type": "artifact.written", "seq": n, "data": {"path": "a.md", "bytes": n}} for n in (1, 2)]
    found = call(
        modules,
        "fold",
        "return [1, 2].map((n) => { const r = m.fold('r', x, n); return [r.writes, r.artifacts.size, r.artifacts.get('a.md').bytes] })",
        events,
    )
    assert found == [[1, 1, 1], [2, 1, 2]]
