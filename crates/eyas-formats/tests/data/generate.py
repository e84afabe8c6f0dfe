"""Writes small checkpoints with rsl_rl 5.5.1 and torch, for what the runs at hand do not cover.

    python generate.py

Needs torch, numpy and rsl-rl-lib 5.5.1. Each rsl_rl file has a JSON beside it with the library's actions.
"""

import copy
import json
import pathlib

import numpy as np
import torch
from rsl_rl.models import MLPModel, RNNModel
from tensordict import TensorDict

HERE = pathlib.Path(__file__).parent
OBSERVATIONS, ACTIONS = 7, 3


def model(kind, distribution, outputs=ACTIONS, **arguments):
    obs = TensorDict({"policy": torch.zeros(1, OBSERVATIONS)}, batch_size=[1])
    config = distribution and {"class_name": f"rsl_rl.modules.distribution:{distribution}"}
    made = kind(obs, {"actor": ["policy"]}, "actor", outputs, hidden_dims=[12, 8],
                distribution_cfg=config, **arguments)
    made.train()
    made.update_normalization(TensorDict({"policy": torch.randn(64, OBSERVATIONS) * 3 + 1}, batch_size=[64]))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return made.eval()


def actions(made, inputs):
    outputs = []
    with torch.inference_mode():
        made.reset()
        for observation in inputs:
            obs = TensorDict({"policy": observation}, batch_size=[len(observation)])
            outputs.append(made(obs).tolist())
    return outputs


def record(name, made, saved, config):
    torch.save(saved, HERE / f"{name}.pt")
    inputs = 2 * torch.randn(6, 2, OBSERVATIONS) + 1
    sides = {side: actions(policy, inputs) for side, policy in made.items()}
    text = {"library": "rsl-rl-lib", "version": "5.5.1", "runner_cfg": config, "input": inputs.tolist(), **sides}
    (HERE / f"{name}.json").write_text(json.dumps(text))


def ppo(name, kind, distribution, activation, **arguments):
    actor = model(kind, distribution, activation=activation, **arguments)
    critic = model(kind, None, outputs=1, activation=activation, **arguments)
    config = {"actor": {"activation": activation, "distribution_cfg": {"class_name": distribution}}}
    saved = {"actor_state_dict": actor.state_dict(), "critic_state_dict": critic.state_dict(), "iter": 3, "infos": None}
    record(name, {"actor": actor}, saved, config)


def distillation(name):
    student = model(RNNModel, "GaussianDistribution", activation="elu", rnn_type="gru", rnn_hidden_dim=5)
    teacher = model(MLPModel, None, activation="elu", obs_normalization=True)
    saved = {"student_state_dict": student.state_dict(), "teacher_state_dict": teacher.state_dict(), "iter": 9, "infos": None}
    record(name, {"student": student, "teacher": teacher}, saved, {})


def containers():
    """The same objects in both containers of torch, with every kind of tensor."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    objects = {
        "transposed": base.t(),
        "window": base[1:3, 2:5],
        "shared": base,
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "f64": torch.tensor([1.5, -2.5], dtype=torch.float64),
        "f16": torch.tensor([0.333, -65504.0, 6e-8], dtype=torch.float16),
        "bf16": torch.tensor([3.140625, -1e30], dtype=torch.bfloat16),
        "i64": torch.tensor([2**62, -3]),
        "i32": torch.tensor([-(2**31), 7], dtype=torch.int32),
        "i16": torch.tensor([-300], dtype=torch.int16),
        "i8": torch.tensor([-128, 127], dtype=torch.int8),
        "u8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(torch.tensor([[9.0]])),
        "size": torch.Size([2, 3]),
        "device": torch.device("cuda", 1),
        "plain": [None, True, -1, 70000, -(2**40), 0.25, "µ", b"\x00\xff", (1,), {"a": {}}],
    }
    torch.save(objects, HERE / "containers_zip.pt")
    torch.save(objects, HERE / "containers_legacy.pt", _use_new_zipfile_serialization=False)


def student(name, best_return):
    """What distillation.py of Foundation writes, with a NumPy float as its best return."""
    network = torch.nn.Sequential(torch.nn.Linear(7, 6), torch.nn.ELU(), torch.nn.Linear(6, 3))
    holder = torch.nn.Module()
    holder.network = network
    optimizer = torch.optim.Adam(holder.parameters(), lr=1e-4)
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.randn(5, 7)).square().mean().backward()
        optimizer.step()
    saved = {"epoch": 12, "model_state_dict": holder.state_dict(),
             "optimizer_state_dict": optimizer.state_dict(), "best_return": best_return}
    torch.save(copy.deepcopy(saved), HERE / f"{name}.pt")
    observations = torch.randn(4, 7)
    text = {"input": [observations.tolist()], "student": [network(observations).tolist()]}
    (HERE / f"{name}.json").write_text(json.dumps(text))


def main():
    torch.manual_seed(5)
    ppo("made_5.5.1_beta", MLPModel, "BetaDistribution", "tanh", obs_normalization=True)
    ppo("made_5.5.1_heteroscedastic", MLPModel, "HeteroscedasticGaussianDistribution", "mish")
    ppo("made_5.5.1_lstm2", RNNModel, "GaussianDistribution", "selu", obs_normalization=True,
        rnn_type="lstm", rnn_hidden_dim=5, rnn_num_layers=2)
    distillation("made_5.5.1_distill")
    containers()
    student("made_student_numpy", np.float64(45.25))


main()
