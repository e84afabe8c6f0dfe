"""Resumes a PPO run with rsl_rl itself: load, act, learn one iteration, save.

    ppo.py CHECKPOINT RESULT.json SAVED.pt (mlp|gru|lstm)

rsl_rl 5 reads the file as it is. Before 4.0, actor and critic were one module and normalisers stood beside it: there the
same tensors are loaded under those names, of the MLP alone.
"""

import contextlib
import json
import sys

import torch
from rsl_rl.env import VecEnv
from rsl_rl.runners import OnPolicyRunner

try:
    from tensordict import TensorDict
except ImportError:
    TensorDict = None

path, result, saved, kind = sys.argv[1:]
OBSERVATIONS, PRIVILEGED, ACTIONS, ENVS = 5, 7, 2, 4


def groups():
    return torch.randn(ENVS, OBSERVATIONS), torch.randn(ENVS, PRIVILEGED)


class Env(VecEnv):
    num_envs, num_actions, max_episode_length, device, cfg = ENVS, ACTIONS, 10, "cpu", {}
    episode_length_buf = torch.zeros(ENVS, dtype=torch.long)

    def get_observations(self):
        policy, privileged = groups()
        return TensorDict({"policy": policy, "privileged": privileged}, batch_size=[ENVS])

    def step(self, actions):
        return self.get_observations(), -actions.square().sum(1), torch.rand(ENVS) < 0.2, {}


class EarlierEnv(Env):
    def get_observations(self):
        policy, privileged = groups()
        return policy, {"observations": {"critic": privileged}}

    def step(self, actions):
        policy, extras = self.get_observations()
        return policy, -actions.square().sum(1), torch.rand(ENVS) < 0.2, extras

    def reset(self):
        return self.get_observations()


def model(**more):
    config = {"class_name": "MLPModel", "hidden_dims": [6, 3], "activation": "elu", "obs_normalization": True, **more}
    if kind == "mlp":
        return config
    return config | {"class_name": "RNNModel", "rnn_type": kind, "rnn_hidden_dim": 4,
                     "rnn_num_layers": 2 if kind == "lstm" else 1}


def resumed():
    runner = OnPolicyRunner(Env(), {
        "num_steps_per_env": 8, "save_interval": 1, "multi_gpu": None,
        "obs_groups": {"actor": ["policy"], "critic": ["privileged"]},
        "actor": model(distribution_cfg={"class_name": "GaussianDistribution", "init_std": 1.0}), "critic": model(),
        "algorithm": {"class_name": "PPO", "num_learning_epochs": 1, "num_mini_batches": 1},
    })
    runner.load(path)
    policy = runner.get_inference_policy()

    def act(steps):
        policy.reset()
        actions = [policy(TensorDict({"policy": step}, batch_size=[ENVS])).tolist() for step in steps]
        policy.reset()
        return actions

    return runner, act


def resumed_by_an_earlier_version():
    assert kind == "mlp", kind
    # The safe loader of torch 1 knows no number with a fraction.
    checkpoint = torch.load(path, weights_only=torch.__version__ >= "2")
    actor, critic = checkpoint["actor_state_dict"], checkpoint["critic_state_dict"]

    def named(state, prefix, name):
        return {name + key[len(prefix):]: value for key, value in state.items() if key.startswith(prefix)}

    torch.save({
        "model_state_dict": {"std": actor["distribution.std_param"], **named(actor, "mlp.", "actor."),
                             **named(critic, "mlp.", "critic.")},
        "obs_norm_state_dict": named(actor, "obs_normalizer.", ""),
        "privileged_obs_norm_state_dict": named(critic, "obs_normalizer.", ""),
        # Its parameters are in the same order.
        "optimizer_state_dict": checkpoint["optimizer_state_dict"],
        "iter": checkpoint["iter"],
        "infos": None,
    }, saved)
    runner = OnPolicyRunner(EarlierEnv(), {
        "num_steps_per_env": 8, "save_interval": 1, "empirical_normalization": True,
        "policy": {"class_name": "ActorCritic", "actor_hidden_dims": [6, 3], "critic_hidden_dims": [6, 3],
                   "activation": "elu"},
        "algorithm": {"class_name": "PPO", "num_learning_epochs": 1, "num_mini_batches": 1},
    })
    runner.load(saved)
    # It has no folder to log to.
    runner.disable_logs, runner.logger_type = True, "tensorboard"
    policy = runner.get_inference_policy()
    return runner, lambda steps: [policy(step).tolist() for step in steps]


torch.manual_seed(0)
with contextlib.redirect_stdout(sys.stderr):
    runner, act = resumed() if TensorDict else resumed_by_an_earlier_version()
    group = runner.alg.optimizer.param_groups[0]
    parameters = group["params"]
    moments = [runner.alg.optimizer.state[parameter]["exp_avg"] for parameter in parameters]
    inputs = torch.randn(5, ENVS, OBSERVATIONS)
    with torch.inference_mode():
        actions = act(inputs)
    report = {
        "iteration": runner.current_learning_iteration,
        "learning_rate": runner.alg.learning_rate if TensorDict else group["lr"],
        "steps": torch.as_tensor(runner.alg.optimizer.state[parameters[0]]["step"]).item(),
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
