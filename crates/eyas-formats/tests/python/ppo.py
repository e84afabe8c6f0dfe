"""Resumes a PPO run with rsl_rl itself: load, act, learn one iteration, save.

    ppo.py CHECKPOINT RESULT.json SAVED.pt (mlp|gru|lstm)
"""

import contextlib
import json
import sys

import torch
from rsl_rl.env import VecEnv
from rsl_rl.runners import OnPolicyRunner
from tensordict import TensorDict

path, result, saved, kind = sys.argv[1:]
OBSERVATIONS, PRIVILEGED, ACTIONS, ENVS = 5, 7, 2, 4


class Env(VecEnv):
    num_envs, num_actions, max_episode_length, device, cfg = ENVS, ACTIONS, 10, "cpu", {}
    episode_length_buf = torch.zeros(ENVS, dtype=torch.long)

    def get_observations(self):
        groups = {"policy": torch.randn(ENVS, OBSERVATIONS), "privileged": torch.randn(ENVS, PRIVILEGED)}
        return TensorDict(groups, batch_size=[ENVS])

    def step(self, actions):
        return self.get_observations(), -actions.square().sum(1), torch.rand(ENVS) < 0.2, {}


def model(**more):
    config = {"class_name": "MLPModel", "hidden_dims": [6, 3], "activation": "elu", "obs_normalization": True, **more}
    if kind == "mlp":
        return config
    return config | {"class_name": "RNNModel", "rnn_type": kind, "rnn_hidden_dim": 4,
                     "rnn_num_layers": 2 if kind == "lstm" else 1}


torch.manual_seed(0)
with contextlib.redirect_stdout(sys.stderr):
    runner = OnPolicyRunner(Env(), {
        "num_steps_per_env": 8, "save_interval": 1, "multi_gpu": None,
        "obs_groups": {"actor": ["policy"], "critic": ["privileged"]},
        "actor": model(distribution_cfg={"class_name": "GaussianDistribution", "init_std": 1.0}), "critic": model(),
        "algorithm": {"class_name": "PPO", "num_learning_epochs": 1, "num_mini_batches": 1},
    })
    runner.load(path)
    parameters = runner.alg.optimizer.param_groups[0]["params"]
    moments = [runner.alg.optimizer.state[parameter]["exp_avg"] for parameter in parameters]
    policy = runner.get_inference_policy()
    inputs = torch.randn(5, ENVS, OBSERVATIONS)
    with torch.inference_mode():
        policy.reset()
        actions = [policy(TensorDict({"policy": step}, batch_size=[ENVS])).tolist() for step in inputs]
        policy.reset()
    report = {
        "iteration": runner.current_learning_iteration,
        "learning_rate": runner.alg.learning_rate,
        "steps": runner.alg.optimizer.state[parameters[0]]["step"].item(),
        "shapes_agree": all(moment.shape == parameter.shape for moment, parameter in zip(moments, parameters)),
        # The sums tell apart which moment belongs to which parameter.
        "moment_sums": [moment.double().sum().item() for moment in moments],
        "input": inputs.tolist(),
        "action": actions,
    }
    runner.learn(1)
    runner.save(saved)
with open(result, "w") as file:
    json.dump(report, file)
