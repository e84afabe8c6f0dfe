"""Trains teachers under many settings and seeds, and writes what each evaluation measured to CSV files.

    python3 docs/algorithms/apg_ablation/run.py target/release/eyas [--seeds 5] [--jobs 2] [--only NAME …]

Needs nothing but Python. Each study changes one thing; every setting of a study flies as many env steps.
"""

import argparse
import csv
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).parent
POINT = ["--task", "Isaac-Quadcopter-Point-Ctrl-v0"]
RAPTOR = ["--task", "Eyas-Raptor-v0"]
ALGORITHM = "agent.algorithm."
VALUE = [
    ALGORITHM + "gamma=0.99",
    ALGORITHM + "terminal_value.enabled=true",
    ALGORITHM + "terminal_value.learning_rate=4e-3",
]
LINE = re.compile(
    r"iteration (\d+)/\d+: ([\d.]+) s, ([\d.e+]+) env steps, return (-?[\d.]+); "
    r"hover (\S+)(?: m)?, ([\d.]+) % crashed; moving (\S+)(?: m)?, ([\d.]+) % crashed"
)


def windows(iterations):
    """The same env steps in windows of other lengths."""
    return {
        str(steps): [f"--max_iterations={iterations * 150 // steps}", f"{ALGORITHM}window_steps={steps}"]
        for steps in (15, 30, 75, 150, 300)
    }


def with_value(settings, crash_cost=100):
    value = [*VALUE, f"{ALGORITHM}terminal_value.crash_cost={crash_cost}"]
    return {name: [*arguments, *value] for name, arguments in settings.items()}


def barriers(names, reaches):
    """All barriers stronger, weaker, or gone; weights are those of the defaults times a factor."""
    key = ALGORITHM + "surrogate."
    return {
        f"×{factor:g}": [
            f"{key}{name}.weight={factor * weight:g}" for name, weight in zip(names, reaches, strict=True)
        ]
        for factor in (0.0, 0.1, 1.0, 10.0)
    }


STUDIES = {
    "point/window": (POINT, windows(800)),
    "point/window, terminal value": (POINT, with_value(windows(800))),
    "point/barriers": (
        POINT,
        barriers(
            ["linear_velocity_barrier", "angular_velocity_barrier", "tilt_barrier", "position_barrier"],
            [60, 0.02, 20, 1],
        ),
    ),
    "point/tilt reach": (
        POINT,
        {f"{reach}": [f"{ALGORITHM}surrogate.tilt_barrier.reach={reach}"] for reach in (0.2, 0.35, 0.45, 0.6)},
    ),
    "point/starts": (
        POINT,
        {
            f"{share:.0%} at rest": [f"env.prob_perfect_start={share}"]
            for share in (0.0, 0.1, 0.5, 1.0)
        },
    ),
    "raptor/window": (RAPTOR, windows(1000)),
    "raptor/window, terminal value": (RAPTOR, with_value(windows(1000))),
    "raptor/crash cost, window 75": (
        RAPTOR,
        {f"{cost}": with_value({"": windows(1000)["75"]}, cost)[""] for cost in (0, 30, 100, 300)},
    ),
    "raptor/barriers": (
        RAPTOR,
        barriers(["linear_velocity_barrier", "angular_velocity_barrier", "position_barrier"], [30, 0.02, 100]),
    ),
    "raptor/starts": (
        RAPTOR,
        {
            "±0.2 m, 0.3 rad": ["env.init.max_position=0.2", "env.init.max_angle=0.3"],
            "±0.4 m, 1 rad": ["env.init.max_position=0.4", "env.init.max_angle=1.0"],
            "±0.4 m, 90°": [],
            "half guided": ["env.init.guidance=0.5"],
        },
    ),
    "raptor/learning rate": (
        RAPTOR,
        {f"{rate}": [f"{ALGORITHM}learning_rate={rate}"] for rate in (4e-3, 8e-3, 1.6e-2, 3.2e-2)},
    ),
}
# Whole machine, one run at a time: these are compared over wall time.
RACES = {
    "point/race": (
        POINT,
        {"apg": [], "ppo": ["--algorithm=ppo"]},
    ),
}


def train(eyas, study, setting, arguments, seed, threads):
    """Rows of one run: every evaluation. After a training that starts otherwise than the task does, the one row is
    that of the last model in the task as it is."""
    with tempfile.TemporaryDirectory() as folder:
        command = [eyas, "--threads", str(threads), "train", *arguments, "--seed", str(seed), "--quiet"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        rows = []
        for line in (run.stdout + run.stderr).splitlines():
            if match := LINE.search(line):
                iteration, seconds, steps, mean, hover, hover_crash, moving, moving_crash = match.groups()
                rows.append(
                    {
                        "study": study,
                        "setting": setting,
                        "seed": seed,
                        "iteration": iteration,
                        "env_steps": steps,
                        "seconds": seconds,
                        "return": mean,
                        "hover_rmse_m": hover.replace("–", "nan"),
                        "hover_crashed_percent": hover_crash,
                        "moving_rmse_m": moving.replace("–", "nan"),
                        "moving_crashed_percent": moving_crash,
                    }
                )
        if rows and study.endswith("starts"):
            rows = [{**rows[-1], **measure(eyas, arguments[:2], folder, rows[-1]["iteration"])}]
        if not rows:
            sys.exit(f"{' '.join(command)}\n{run.stdout}{run.stderr}")
        return rows


def measure(eyas, task, folder, iteration):
    """The columns of an evaluation that a training does not decide, by `eyas eval`."""
    (model,) = pathlib.Path(folder).glob(f"logs/rsl_rl/*/*/model_{iteration}.pt")
    command = [eyas, "eval", *task, "--checkpoint", str(model), "--episodes", "1000", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    return {
        "return": f"{found['all']['mean_return']:.1f}",
        **dict(
            column
            for kind in ("hover", "moving")
            for column in (
                (f"{kind}_rmse_m", f"{found[kind]['position_rmse'] or float('nan'):.4f}"),
                (f"{kind}_crashed_percent", f"{100 * found[kind]['crash_rate']:.2f}"),
            )
        ),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("eyas", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*")
    given = parser.parse_args()
    for kind, studies, jobs, threads in (("studies", STUDIES, given.jobs, 1), ("races", RACES, 1, 2)):
        for study, (task, settings) in studies.items():
            if given.only and study not in given.only:
                continue
            interval = "agent.eval_interval"
            work = [
                (study, setting, [*task, *arguments], seed)
                for setting, arguments in settings.items()
                for seed in range(1, given.seeds + 1)
            ]
            if kind == "races":
                # Often enough to draw a curve.
                work = [
                    (study, setting, [*arguments, f"{interval}={50 if setting == 'apg' else 10}"], seed)
                    for study, setting, arguments, seed in work
                ]
            with ThreadPoolExecutor(jobs) as pool:
                runs = list(pool.map(lambda it: train(given.eyas, *it, threads), work))
            path = HERE / (study.replace("/", "_").replace(", ", "_").replace(" ", "_") + ".csv")
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, runs[0][0].keys())
                writer.writeheader()
                for rows in runs:
                    # Of a study only the end counts.
                    writer.writerows(rows if kind == "races" else rows[-1:])
            print(path, flush=True)


if __name__ == "__main__":
    main()
