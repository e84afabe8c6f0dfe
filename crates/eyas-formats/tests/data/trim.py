"""Cuts checkpoints that rsl_rl wrote down to what the tests read: no optimiser, no critic.

    python trim.py /path/to/rsl_rl /path/to/point_ctrl_rsl_rl_5.5.1

Keys, order, types and values of what stays are the library's own. The recorded actions beside each
checkpoint are what the library computed from the complete file.
"""

import json
import pathlib
import shutil
import sys

import torch

NAMES = [
    "rsl_rl_2.3.3_mlp_norm",
    "rsl_rl_2.3.3_gru_norm",
    "rsl_rl_3.3.0_lstm_nonorm",
    "rsl_rl_3.3.0_mlp_norm_priv_logstd",
    "rsl_rl_4.0.1_mlp_norm",
    "rsl_rl_5.5.1_gru_norm",
]
CRITIC = ("critic", "memory_c")


def trim(source: pathlib.Path, target: pathlib.Path) -> None:
    saved = torch.load(source, weights_only=True, map_location="cpu")
    for key in ("optimizer_state_dict", "critic_state_dict"):
        saved.pop(key, None)
    model = saved.get("model_state_dict", {})
    for key in [key for key in model if key.startswith(CRITIC)]:
        del model[key]
    torch.save(saved, target)

    record = json.loads(source.with_suffix(".json").read_text())
    kept = {key: record[key] for key in ("library", "version", "torch", "kind", "runner_cfg", "input", "action")}
    if "hidden_after" in record:
        kept["last_hidden"] = record["hidden_after"][-1]
    target.with_suffix(".json").write_text(json.dumps(kept))


def main() -> None:
    rsl_rl, teacher = map(pathlib.Path, sys.argv[1:])
    here = pathlib.Path(__file__).parent
    for name in NAMES:
        trim(rsl_rl / f"{name}.pt", here / f"{name}.pt")
    shutil.copytree(teacher, here / teacher.name, dirs_exist_ok=True)


main()
