"""The picture of recurring work: success, and tokens for each goal met, against episodes; every arm with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wornpath.bench.report import Table, curve
from wornpath.bench.stream import Record

COLOURS = {
    "frozen": "#555555",
    "learning": "#0b6e4f",
    "count-table": "#3a86c8",
    "cloning": "#8d6cab",
    "replay-only": "#d17b0f",
    "memory-in-prompt": "#c23b22",
    "no-roles": "#a07855",
    "no-gate": "#6f8f2f",
    "placebo": "#b0b0b0",
    "no-tries": "#2a9d8f",
    "poisoned": "#7b2cbf",
    "sabotaged": "#111111",
    "no-transfer": "#1d3557",
}
MARKS = dict(zip(COLOURS, "osv^DPX*.hpd<", strict=True))


def draw(records: Sequence[Record], name: str, model: str) -> None:
    """Write NAME.svg and NAME.png. Arms are told apart by colour and mark, and named in order of their last value."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "wornpath"  # the same figures give the same file
    import matplotlib.pyplot as plt

    table = Table.of(records)
    total = int(table.episodes.max()) + 1
    width = max(1, total // 15) if total > 40 else max(1, total // 8)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)
    for arm in (a for a in COLOURS if a in table.arms):
        points = [p for p in curve(table, arm, width) if p["episodes"]]  # an arm may have left some out
        x = [(p["from"] + min(p["to"], total)) / 2 for p in points]
        for axes, value in ((left, "success"), (right, "tokens_per_met")):
            y = [p[value] for p in points]
            low, high = zip(*(p[f"{value}_ci95"] for p in points), strict=True)
            axes.plot(x, y, color=COLOURS[arm], marker=MARKS[arm], markersize=4, linewidth=1.8, label=arm)
            axes.fill_between(x, low, high, color=COLOURS[arm], alpha=0.12, linewidth=0)
    left.set(xlabel="episodes of a family", ylabel="goals met", ylim=(0, 1.02), title=f"Success ({model} model)")
    right.set(xlabel="episodes of a family", ylabel="tokens for each goal met", title=f"Tokens ({model} model)")
    least = min(float(line.get_ydata().min()) for line in right.lines)  # type: ignore[union-attr]
    if least > 0:
        right.set_yscale("log")
    else:  # some episodes took no model at all
        right.set_yscale("symlog", linthresh=100)
        right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    right.legend(frameon=False, fontsize=8, ncols=2)
    for ending in ("svg", "png"):
        path = Path(f"{name}.{ending}")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, metadata={"Date": None} if ending == "svg" else None)
    plt.close(figure)
