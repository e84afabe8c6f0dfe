"""Draws the CSV files beside it as two pictures.

    python3 docs/algorithms/apg_ablation/plot.py

Needs matplotlib.
"""

import csv
import pathlib
import statistics

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = pathlib.Path(__file__).parent
# Okabe and Ito's colours, which all eyes tell apart.
BLUE, ORANGE = "#0072B2", "#D55E00"
plt.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "svg.hashsalt": "eyas",
        "svg.fonttype": "none",
    }
)


def read(name):
    """Rows of a study by setting."""
    settings = {}
    with (HERE / f"{name}.csv").open() as file:
        for row in csv.DictReader(file):
            settings.setdefault(row["setting"], []).append(row)
    return settings


def values(rows, column):
    return [float(row[column]) for row in rows]


def dots(axes, name, column, color, label=None, shift=0.0, floor=None):
    """One dot for each seed, and their mean."""
    settings = read(name)
    places = range(len(settings))
    for place, rows in zip(places, settings.values(), strict=True):
        found = [value for value in values(rows, column) if floor is None or value >= floor]
        lost = len(rows) - len(found)
        axes.plot([place + shift] * len(found), found, ".", color=color, alpha=0.5, markersize=5)
        if found:
            mean = statistics.fmean(found)
            axes.plot([place + shift - 0.2, place + shift + 0.2], [mean, mean], color=color, linewidth=2)
        if lost:
            axes.annotate(
                f"{lost} of {len(rows)}\nbelow",
                (place + shift, floor),
                ha="center",
                va="bottom",
                color=color,
                fontsize=7,
            )
    axes.set_xticks(list(places), list(settings), fontsize=8)
    axes.plot([], [], color=color, linewidth=2, label=label)
    if floor is not None:
        axes.set_ylim(bottom=floor)


def ablation():
    figure, grid = plt.subplots(4, 2, figsize=(9, 11.5), constrained_layout=True)
    for row, (title, studies, xlabel, floors) in enumerate(
        [
            ("Window", ["window", "window_terminal_value"], "steps of 10 ms", (1500, 450)),
            ("Barriers", ["barriers"], "factor on all weights", (1500, 670)),
            ("Starts in training", ["starts"], "measured on the task's own starts", (None, None)),
        ]
    ):
        for column, (task, floor) in enumerate(zip(["point", "raptor"], floors, strict=True)):
            axes = grid[row][column]
            for index, study in enumerate(studies):
                label = ["no terminal value", "terminal value"][index] if len(studies) > 1 else None
                color = [BLUE, ORANGE][index]
                shift = 0.12 * (2 * index - 1) if len(studies) > 1 else 0.0
                dots(axes, f"{task}_{study}", "return", color, label, shift, floor)
            name = {"point": "point task", "raptor": "Eyas-Raptor-v0, Crazyflie"}[task]
            axes.set(title=f"{title}: {name}", xlabel=xlabel, ylabel="return")
            if len(studies) > 1:
                axes.legend(frameon=False, loc="lower right")
    axes = grid[3][0]
    dots(axes, "point_tilt_reach", "moving_crashed_percent", BLUE, "crashed, %")
    axes.set(title="Reach of the tilt barrier: point task", xlabel="cosine of the tilt", ylabel="moving: crashed [%]")
    errors = axes.twinx()
    errors.spines["right"].set_visible(True)
    dots(errors, "point_tilt_reach", "moving_rmse_m", ORANGE, "error")
    errors.set_ylabel("moving: RMSE [m]", color=ORANGE)
    axes.yaxis.label.set_color(BLUE)
    axes = grid[3][1]
    dots(axes, "raptor_learning_rate", "return", BLUE, floor=450)
    axes.set(title="Learning rate: Eyas-Raptor-v0, Crazyflie", xlabel="of Adam, at the start", ylabel="return")
    figure.savefig(HERE / "ablation.svg", metadata={"Date": None})


def race():
    figure, axes = plt.subplots(figsize=(6, 3.6), constrained_layout=True)
    for setting, rows in read("point_race").items():
        color = {"apg": BLUE, "ppo": ORANGE}[setting]
        seeds = {}
        for row in rows:
            seeds.setdefault(row["seed"], []).append(row)
        # Evaluations are the same iterations in each run, at about the same times.
        runs = list(zip(*seeds.values(), strict=True))
        times = [statistics.fmean(values(it, "seconds")) for it in runs]
        returns = [values(it, "return") for it in runs]
        low, high = [min(it) for it in returns], [max(it) for it in returns]
        axes.fill_between(times, low, high, color=color, alpha=0.2, linewidth=0)
        label = {"apg": "analytic gradient", "ppo": "PPO"}[setting]
        axes.plot(times, [statistics.fmean(it) for it in returns], color=color, label=label)
    axes.set(title="Point task, mean and range of five seeds", ylim=(0, None), xscale="log")
    axes.set(xlabel="training time [s], two cores", ylabel="return")
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(HERE / "race.svg", metadata={"Date": None})


if __name__ == "__main__":
    ablation()
    race()
