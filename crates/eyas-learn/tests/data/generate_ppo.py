"""Numbers of rsl_rl's PPO for the tests of ours, in 64-bit floats.

    pip install torch rsl-rl-lib==5.5.1
    python generate_ppo.py > ppo_rsl_rl_5.5.1.json

A rollout of made-up observations, rewards and ends of episodes is recorded with one actor, then learned from by a
slightly other one, so that importance ratios and KL divergences are not those of a first update. What goes into Eyas fits
into 32-bit floats. Each case is learned from the same start with 1, 2, … epochs of a single mini-batch, which holds all
samples, so that their order does not matter.
"""

import copy
import json

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.models import MLPModel
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict

# More envs than a block of 32 and fewer than two.
ENVS, STEPS, OBSERVATIONS, ACTIONS, HIDDEN = 40, 6, 3, 2, [5]
EPOCHS = 4
BASE = {
    "clip_param": 0.2, "gamma": 0.9, "lam": 0.8, "value_loss_coef": 0.7, "entropy_coef": 0.01, "learning_rate": 0.02,
    "max_grad_norm": 1e9, "use_clipped_value_loss": True, "schedule": "fixed", "desired_kl": 0.01,
    "normalize_advantage_per_mini_batch": False,
}
CASES = {
    "clipped value loss": {},
    "plain value loss": {"use_clipped_value_loss": False},
    "gradients of a bounded norm": {"max_grad_norm": 0.05},
    "advantages normalised per mini-batch": {"normalize_advantage_per_mini_batch": True},
    # Both ways past the desired divergence, which is between those of the four updates.
    "adaptive learning rate, falling": {"schedule": "adaptive", "desired_kl": 1e-3, "learning_rate": 5e-3},
    "adaptive learning rate, rising": {"schedule": "adaptive", "desired_kl": 1.0, "learning_rate": 2e-3},
    "adaptive learning rate, at rest": {"schedule": "adaptive", "desired_kl": 0.1, "learning_rate": 1e-3},
}

torch.set_default_dtype(torch.float64)
torch.manual_seed(1)


def narrow(tensor):
    """The numbers as 32-bit floats hold them."""
    return tensor.float().double()


def observed(tensor):
    return TensorDict({"policy": tensor}, batch_size=[ENVS])


def perturbed(model, size):
    model = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(narrow(parameter + size * torch.randn_like(parameter)))
    return model


def network(model):
    """Weight and bias of each layer, one after the other."""
    return [value for tensor in model.mlp.state_dict().values() for value in tensor.flatten().tolist()]


def std(model):
    return model.distribution.std_param.tolist()


observations = narrow(torch.randn(STEPS + 1, ENVS, OBSERVATIONS))
rewards = narrow(torch.randn(STEPS, ENVS))
draws = torch.rand(STEPS, ENVS)
terminated, time_outs = draws < 0.15, draws > 0.85

first = observed(observations[0])
groups = {"actor": ["policy"], "critic": ["policy"]}
common = {"hidden_dims": HIDDEN, "activation": "elu", "obs_normalization": False}
gaussian = {"class_name": "GaussianDistribution", "init_std": 0.6, "std_type": "scalar"}
actor = perturbed(MLPModel(first, groups, "actor", ACTIONS, distribution_cfg=gaussian, **common), 0.1)
critic = perturbed(MLPModel(first, groups, "critic", 1, **common), 0.1)
start_actor, start_critic = perturbed(actor, 0.12), perturbed(critic, 0.12)


def rollout(settings):
    """What the first actor recorded."""
    torch.manual_seed(2)
    storage = RolloutStorage("rl", ENVS, STEPS, first, [ACTIONS])
    ppo = PPO(copy.deepcopy(actor), copy.deepcopy(critic), storage, **settings)
    with torch.no_grad():
        for step in range(STEPS):
            ppo.act(observed(observations[step]))
            transition = ppo.transition
            transition.actions = narrow(transition.actions)
            transition.actions_log_prob = ppo.actor.get_output_log_prob(transition.actions)
            done = terminated[step] | time_outs[step]
            ppo.process_env_step(observed(observations[step + 1]), rewards[step], done, {"time_outs": time_outs[step]})
        ppo.compute_returns(observed(observations[STEPS]))
    return storage


def learned(settings, epochs):
    storage = rollout(settings)
    ppo = PPO(copy.deepcopy(start_actor), copy.deepcopy(start_critic), storage, num_learning_epochs=epochs,
              num_mini_batches=1, **settings)
    losses = ppo.update()
    return {
        "losses": {name: losses[name] for name in ["value", "surrogate", "entropy"]},
        "learning_rate": ppo.learning_rate,
        "std": std(ppo.actor),
        "actor": network(ppo.actor),
        "critic": network(ppo.critic),
    }


def recorded(settings):
    storage = rollout(BASE | settings)
    return {name: getattr(storage, name).squeeze(-1).tolist() for name in ["values", "returns", "advantages"]}


storage = rollout(BASE)
print(json.dumps({
    "rsl_rl": "5.5.1",
    "observations": observations.tolist(),
    "rewards": rewards.tolist(),
    "terminated": terminated.tolist(),
    "time_outs": time_outs.tolist(),
    "actions": storage.actions.tolist(),
    "log_probs": storage.actions_log_prob.squeeze(-1).tolist(),
    "behaviour": {"std": std(actor), "actor": network(actor), "critic": network(critic)},
    "start": {"std": std(start_actor), "actor": network(start_actor), "critic": network(start_critic)},
    "normalised": recorded({}),
    "plain": recorded({"normalize_advantage_per_mini_batch": True}),
    "cases": [
        {"name": name, "algorithm": BASE | changes,
         "after": [learned(BASE | changes, epochs) for epochs in range(1, EPOCHS + 1)]}
        for name, changes in CASES.items()
    ],
}))
