"""Small checkpoints of rl_games, skrl, sample-factory and Stable-Baselines3, saved by those libraries themselves.

Beside each stands a JSON with observations, `[steps][environments][features]` from a zero state, and the
deterministic actions that the library computes for them, its normaliser included.

    pip install --no-deps rl_games==1.6.5 skrl==2.1.1 sample-factory==2.1.1 stable-baselines3==2.3.2 sb3-contrib==2.3.0
    python generate_foreign.py foreign
"""

import json
import pathlib
import sys
from types import SimpleNamespace

import gymnasium
import numpy as np
import torch

TIMES, ENVS, OBS, ACT = 12, 3, 6, 4
out = pathlib.Path(sys.argv[1])
out.mkdir(exist_ok=True)
generator = np.random.default_rng(7)
MEAN = generator.normal(size=OBS)
VAR = np.exp(generator.normal(size=OBS))
VAR[5] = 1e-9  # a feature that never changed
observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBS,), np.float32)
action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACT,), np.float32)


def observations():
    # Wide enough that each library's limit of normalised features is met.
    deviation = np.sqrt(np.maximum(VAR, 1e-5))
    return (MEAN + 4.0 * deviation * generator.normal(size=(TIMES, ENVS, OBS))).astype(np.float32)


def randomise(module, scale=0.4):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.as_tensor(generator.normal(size=parameter.shape) * scale))


def record(name, x, actions):
    actions = np.asarray(actions).reshape(TIMES, ENVS, ACT)
    (out / f"{name}.json").write_text(json.dumps({"input": x.tolist(), "action": actions.astype(float).tolist()}))


def rl_games():
    from rl_games.algos_torch.model_builder import ModelBuilder

    def run(name, rnn=None, normalize=True, separate=False, compiled=False):
        params = {
            "model": {"name": "continuous_a2c_logstd"},
            "network": {
                "name": "actor_critic",
                "separate": separate,
                "space": {"continuous": {
                    "mu_activation": "None", "sigma_activation": "None", "fixed_sigma": True,
                    "mu_init": {"name": "default"}, "sigma_init": {"name": "const_initializer", "val": 0},
                }},
                "mlp": {"units": [8, 5], "activation": "elu", "d2rl": False, "initializer": {"name": "default"}},
            },
        }
        if rnn:
            params["network"]["rnn"] = rnn
        model = ModelBuilder().load(params).build({
            "actions_num": ACT, "input_shape": (OBS,), "num_seqs": ENVS, "value_size": 1,
            "normalize_value": True, "normalize_input": normalize,
        })
        randomise(model.a2c_network)
        if normalize:
            model.running_mean_std.running_mean = torch.as_tensor(MEAN)
            model.running_mean_std.running_var = torch.as_tensor(VAR)
            model.running_mean_std.count = torch.tensor(1.0 + 65536, dtype=torch.float64)
        model.eval()
        x, states, actions = observations(), model.get_default_rnn_state(), []
        for step in x:
            with torch.no_grad():
                result = model({"is_train": False, "prev_actions": None, "obs": torch.as_tensor(step), "rnn_states": states})
            states = result["rnn_states"]
            actions.append(result["mus"].numpy())
        state = model.state_dict()
        if compiled:
            state = {f"_orig_mod.{key}": value for key, value in state.items()}
        torch.save({"model": state, "epoch": 9, "frame": 65536, "last_mean_rewards": np.float32(1.5), "env_state": None,
                    "optimizer": torch.optim.Adam(model.parameters()).state_dict()}, out / f"{name}.pth")
        record(name, x, actions)

    run("rl_games_mlp", compiled=True)
    run("rl_games_plain", normalize=False)
    gru = {"name": "gru", "units": 7, "layers": 1, "before_mlp": False, "concat_input": False, "layer_norm": False}
    run("rl_games_gru", gru)
    run("rl_games_lstm_before", {**gru, "name": "lstm", "before_mlp": True}, separate=True)
    run("rl_games_concat", {**gru, "concat_input": True})
    run("rl_games_layer_norm", {**gru, "layer_norm": True})


def skrl():
    from skrl.resources.preprocessors.torch import RunningStandardScaler
    from skrl.utils.model_instantiators.torch import gaussian_model, shared_model
    from skrl.models.torch import GaussianMixin, Model

    def scaler():
        scaler = RunningStandardScaler(size=observation_space, device="cpu")
        scaler.running_mean = torch.as_tensor(MEAN)
        scaler.running_variance = torch.as_tensor(VAR)
        scaler.current_count = torch.tensor(4097.0, dtype=torch.float64)
        return scaler

    def save(name, policy, value, preprocessor, act, key="observation_preprocessor"):
        x = observations()
        modules = {"policy": policy.state_dict(), "value": value.state_dict(),
                   "optimizer": torch.optim.Adam(policy.parameters()).state_dict()}
        if preprocessor is not None:
            modules[key] = preprocessor.state_dict()
        torch.save(modules, out / f"{name}.pt")
        with torch.no_grad():
            actions = act(torch.as_tensor(x))
        record(name, x, actions)

    network = [{"name": "net", "input": "OBSERVATIONS", "layers": [8, 5], "activations": "elu"}]
    spaces = {"observation_space": observation_space, "state_space": observation_space, "action_space": action_space, "device": "cpu"}
    policy = gaussian_model(**spaces, network=network, output="ACTIONS")
    flat = lambda x: x.reshape(-1, OBS)
    policy.compute({"observations": torch.zeros(1, OBS)}, "policy")
    randomise(policy)
    normalise = scaler()
    save("skrl_mlp", policy, policy, normalise, lambda x: policy.compute({"observations": normalise(flat(x))}, "policy")[0])

    shared = shared_model(**spaces, structure=["GaussianMixin", "DeterministicMixin"], roles=["policy", "value"], parameters=[
        {"clip_actions": False, "network": network, "output": "tanh(ACTIONS)"},
        {"clip_actions": False, "network": network, "output": "ONE"},
    ])
    for role in ["policy", "value"]:
        shared.compute({"observations": torch.zeros(1, OBS)}, role)
        shared._shared_output = None
    randomise(shared)

    def act(x):
        shared._shared_output = None
        return shared.compute({"observations": normalise(flat(x))}, "policy")[0]

    # skrl 1.x called its scaler of observations the state's.
    save("skrl_shared_tanh", shared, shared, normalise, act, key="state_preprocessor")

    class Recurrent(GaussianMixin, Model):
        def __init__(self):
            Model.__init__(self, observation_space=observation_space, state_space=None, action_space=action_space, device="cpu")
            GaussianMixin.__init__(self)
            self.gru = torch.nn.GRU(OBS, 7, 1, batch_first=True)
            self.net = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.ELU(), torch.nn.Linear(5, ACT))
            self.log_std_parameter = torch.nn.Parameter(torch.zeros(ACT))

        def compute(self, inputs, role):
            raise NotImplementedError

    recurrent = Recurrent()
    randomise(recurrent)

    def act_recurrent(x):
        hidden, actions = torch.zeros(1, ENVS, 7), []
        for step in x:
            output, hidden = recurrent.gru(step.unsqueeze(1), hidden)
            actions.append(recurrent.net(output[:, 0]))
        return torch.stack(actions)

    save("skrl_gru", recurrent, recurrent, None, act_recurrent)


def sample_factory():
    from sample_factory.algo.utils.context import global_model_factory  # noqa: F401
    from sample_factory.cfg.arguments import parse_full_cfg, parse_sf_args
    from sample_factory.model.actor_critic import create_actor_critic

    def run(name, *flags):
        parser, _ = parse_sf_args(argv=["--env=e", f"--experiment={name}"], evaluation=False)
        config = parse_full_cfg(parser, ["--env=e", f"--experiment={name}", "--encoder_mlp_layers", "8", "5", *flags])
        space = gymnasium.spaces.Dict({"obs": observation_space})
        model = create_actor_critic(config, space, action_space)
        randomise(model)
        if config.normalize_input:
            statistics = model.obs_normalizer.running_mean_std.running_mean_std["obs"]
            statistics.running_mean[:] = torch.as_tensor(MEAN)
            statistics.running_var[:] = torch.as_tensor(VAR)
            statistics.count[:] = 8193.0
        model.eval()
        x, actions = observations(), []
        from sample_factory.model.model_utils import get_rnn_size
        states = torch.zeros(ENVS, get_rnn_size(config))
        for step in x:
            with torch.no_grad():
                result = model(model.normalize_obs({"obs": torch.as_tensor(step)}), states)
            states = result["new_rnn_states"]
            actions.append(result["action_logits"][:, :ACT].numpy())
        folder = out / name
        (folder / "checkpoint_p0").mkdir(parents=True, exist_ok=True)
        torch.save({"train_step": 3, "env_steps": 65536, "best_performance": np.float32(2.0), "model": model.state_dict(),
                    "optimizer": torch.optim.Adam(model.parameters()).state_dict(), "curr_lr": 1e-4},
                   folder / "checkpoint_p0" / "checkpoint_000000003_65536.pth")
        (folder / "config.json").write_text(json.dumps(vars(config), indent=4))
        record(name, x, actions)

    run("sample_factory_gru", "--use_rnn=True", "--rnn_type=gru", "--rnn_size=7", "--normalize_input=True")
    run("sample_factory_lstm", "--use_rnn=True", "--rnn_type=lstm", "--rnn_size=7", "--actor_critic_share_weights=False",
        "--decoder_mlp_layers", "5", "--adaptive_stddev=False", "--continuous_tanh_scale=1.0", "--nonlinearity=tanh",
        "--normalize_input=True", "--obs_subtract_mean=0.5", "--obs_scale=2.0")


def stable_baselines():
    import sb3_contrib
    import stable_baselines3
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    class Env(gymnasium.Env):
        observation_space, action_space = observation_space, action_space

        def reset(self, seed=None, options=None):
            return np.zeros(OBS, np.float32), {}

        def step(self, action):
            return np.zeros(OBS, np.float32), 0.0, False, False, {}

    def run(name, algorithm, policy, normalise, recurrent=False, **kwargs):
        env = DummyVecEnv([Env] * ENVS)
        if normalise:
            env = VecNormalize(env, training=False, clip_obs=3.0)
            env.obs_rms.mean, env.obs_rms.var, env.obs_rms.count = MEAN.copy(), VAR.copy(), 4096.0001
        model = algorithm(policy, env, device="cpu", **kwargs)
        randomise(model.policy)
        folder = out / name
        folder.mkdir(exist_ok=True)
        model.save(folder / "model.zip")
        if normalise:
            env.save(str(folder / "vecnormalize.pkl"))
        x, actions = observations(), []
        for time, step in enumerate(x):
            step = env.normalize_obs(step) if normalise else step
            actions.append(act(model, step, recurrent, time))
        record(name, x, actions)

    memory = {}

    # `predict` would clip what the network gives to the space of actions.
    def act(model, step, recurrent, time):
        with torch.no_grad():
            tensor = torch.as_tensor(step)
            if recurrent:
                if time == 0:
                    shape = model.policy.lstm_hidden_state_shape
                    memory["states"] = (torch.zeros(shape[0], ENVS, shape[2]),) * 2
                starts = torch.full((ENVS,), float(time == 0))
                distribution, memory["states"] = model.policy.get_distribution(tensor, memory["states"], starts)
                return distribution.mode().numpy()
            if hasattr(model.policy, "get_distribution"):
                return model.policy.get_distribution(tensor).mode().numpy()
            return model.policy._predict(tensor, deterministic=True).numpy()

    run("sb3_ppo", stable_baselines3.PPO, "MlpPolicy", True, n_steps=8, batch_size=8, policy_kwargs={
        "net_arch": {"pi": [8, 5], "vf": [4]}, "activation_fn": torch.nn.ELU})
    run("sb3_ppo_default", stable_baselines3.PPO, "MlpPolicy", False, n_steps=8, batch_size=8,
        policy_kwargs={"net_arch": [6]})
    run("sb3_sac", stable_baselines3.SAC, "MlpPolicy", True, buffer_size=10, policy_kwargs={"net_arch": [8, 5]})
    run("sb3_td3", stable_baselines3.TD3, "MlpPolicy", False, buffer_size=10, policy_kwargs={"net_arch": [8, 5]})
    run("sb3_recurrent", sb3_contrib.RecurrentPPO, "MlpLstmPolicy", True, recurrent=True, n_steps=8, batch_size=8,
        policy_kwargs={"net_arch": [5], "lstm_hidden_size": 7})


torch.manual_seed(0)
for make in sys.argv[2:] or ["rl_games", "skrl", "sample_factory", "stable_baselines"]:
    globals()[make]()
