//! torch, rsl_rl, TensorBoard, NumPy and `PyYAML` themselves read what is written.
//!
//! A test that finds no interpreter with its packages is skipped (`eyas_testing::python_with`).

use std::path::Path;
use std::process::Command;

use eyas_formats::npy::{self, Array, Data};
use eyas_testing::python_with;

use crate::program::{TASK, TINY, Workspace};

#[track_caller]
fn run(python: &Path, script: &str, arguments: &[&Path]) -> String {
    let output = Command::new(python).arg("-c").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Loads a student with torch's safe default into plain modules and compares their actions with recorded ones.
const STUDENT: &str = r#"
import sys, numpy, torch
from torch import nn
# The safe loader of torch 1 knows no number with a fraction.
checkpoint = torch.load(sys.argv[1], weights_only=torch.__version__ >= "2")
weights = checkpoint["model_state_dict"]
assert type(checkpoint["best_return"]) is float and type(checkpoint["epoch"]) is int
assert {"state", "param_groups"} <= set(checkpoint["optimizer_state_dict"])
observations = torch.from_numpy(numpy.load(sys.argv[2]))
class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [26, 32, 32]
        layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.ELU())]
        self.network = nn.Sequential(*layers, nn.Linear(32, 4))
    def forward(self, x):
        return self.network(x)
class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layer, self.gru, self.output_layer = nn.Linear(22, 16), nn.GRU(16, 16), nn.Linear(16, 4)
    def forward(self, x):
        return self.output_layer(self.gru(torch.relu(self.input_layer(x)))[0])
module = Gru() if "gru.weight_ih_l0" in weights else Mlp()
module.load_state_dict(weights)
torch.optim.Adam(module.parameters()).load_state_dict(checkpoint["optimizer_state_dict"])
with torch.no_grad():
    error = (module(observations) - torch.from_numpy(numpy.load(sys.argv[3]))).abs().max().item()
assert error <= 1e-6, error
"#;

#[test]
fn torch_loads_a_student_and_acts_as_eyas_does() {
    let Some(python) = python_with("torch, numpy") else { return };
    let workspace = Workspace::with_teacher();
    for (student, shape) in [("mlp", vec![64, 26]), ("gru", vec![40, 5, 22])] {
        workspace.distill(&format!("{TINY} --student {student} --experiment_name {student}")).succeed();
        let file = workspace.distillation(student).join("final_student.pt");
        let numbers = (0..shape.iter().product::<usize>()).map(|index| (0.37 * index as f32).sin()).collect();
        npy::write(&workspace.path("observations.npy"), &Array::new(&shape, Data::F32(numbers))).unwrap();
        workspace.eyas("act").arg(&file).and("observations.npy --output actions.npy").succeed();
        run(&python, STUDENT, &[&file, &workspace.path("observations.npy"), &workspace.path("actions.npy")]);
    }
}

/// Prints each tag that TensorBoard's own reader lists, and how many points it has.
const TAGS: &str = r#"
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
for tag in sorted(events.Tags()["scalars"]):
    print(tag, len(events.Scalars(tag)))
"#;

#[test]
fn tensorboard_lists_the_six_tags_of_the_document() {
    let Some(python) = python_with("tensorboard.backend.event_processing.event_accumulator") else { return };
    let workspace = Workspace::with_teacher();
    workspace.distill(&format!("{TINY} --experiment_name tags distill.eval_interval=1")).succeed();
    let listed = run(&python, TAGS, &[&workspace.distillation("tags")]);
    let tags = [
        "data_collection/mean_return",
        "data_collection/std_return",
        "evaluation/mean_length",
        "evaluation/mean_return",
        "evaluation/std_return",
        "training/loss",
    ];
    for tag in tags {
        assert!(listed.lines().any(|line| line == format!("{tag} 4")), "{tag} is missing in\n{listed}");
    }
}

/// Prints what TensorBoard's own readers find besides scalars.
const SUMMARIES: &str = r#"
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
events = EventAccumulator(sys.argv[1], size_guidance={"histograms": 0, "images": 0})
events.Reload()
found = events.PluginTagToContent(metadata.PLUGIN_NAME)
experiment = metadata.parse_experiment_plugin_data(found[metadata.EXPERIMENT_TAG])
start = metadata.parse_session_start_info_plugin_data(found[metadata.SESSION_START_INFO_TAG])
end = metadata.parse_session_end_info_plugin_data(found[metadata.SESSION_END_INFO_TAG])
assert {info.name for info in experiment.hparam_infos} == set(start.hparams)
assert "evaluation/mean_return" in [info.name.tag for info in experiment.metric_infos]
print("epochs", start.hparams["distill.n_epochs"].number_value, "status", end.status)
weights = events.Histograms("weights/head.0.weight")
print("weights", [int(it.histogram_value.num) for it in weights])
flight = events.Images("evaluation/flight")[0]
print("flight", flight.width, flight.height, flight.encoded_image_string[:4])
"#;

#[test]
fn tensorboard_shows_settings_weights_and_a_flight() {
    let Some(python) = python_with("tensorboard.plugins.hparams.metadata") else { return };
    let workspace = Workspace::with_teacher();
    workspace.distill(&format!("{TINY} --experiment_name summaries distill.eval_interval=2")).succeed();
    let found = run(&python, SUMMARIES, &[&workspace.distillation("summaries")]);
    // 32 units of 26 inputs, after epochs 0, 2 and 3.
    assert_eq!(found, "epochs 4.0 status 1\nweights [832, 832, 832]\nflight 640 360 b'\\x89PNG'\n");
}

#[test]
fn numpy_reads_a_flight() {
    let Some(python) = python_with("numpy") else { return };
    let workspace = Workspace::with_teacher();
    let flight = "--checkpoint teacher/model_best.pt --max_steps 50 --num_envs 2";
    workspace.eyas(&format!("play {TASK} {flight}")).succeed();
    let script = "
import sys, numpy
data = numpy.load(sys.argv[1] + '/trajectory_data.npz')
errors = numpy.load(sys.argv[1] + '/tracking_errors.npz')
assert data['actual_pos'].shape == (50, 2, 3), data['actual_pos'].shape
distance = numpy.linalg.norm(data['actual_pos'] - data['desired_pos'], axis=-1)
assert numpy.allclose(distance, errors['position_errors'], atol=1e-6)
assert numpy.allclose(data['timestamps'], numpy.arange(1, 51) * 0.01)
";
    run(&python, script, &[&workspace.runs("rsl_rl", "point_ctrl_direct")[0]]);
}

#[test]
fn yaml_reads_the_parameters_of_a_run() {
    let Some(python) = python_with("yaml") else { return };
    let workspace = Workspace::with_teacher();
    workspace.distill(&format!("{TINY} --experiment_name it --num_envs 96 --seed 7")).succeed();
    let script = "
import sys, yaml
load = lambda name: yaml.safe_load(open(f'{sys.argv[1]}/params/{name}.yaml'))
env, agent = load('env'), load('agent')
assert env['scene']['num_envs'] == 96 and env['sim']['dt'] == 0.01 and env['episode_length_s'] == 96.0
assert agent['seed'] == 7 and agent['experiment_name'] == 'it', agent
";
    run(&python, script, &[&workspace.distillation("it")]);
}

/// Loads an actor into rsl_rl's own modules and compares its actions with recorded ones.
const ACTOR: &str = r#"
import sys, numpy, torch
# The safe loader of torch 1 knows no number with a fraction.
checkpoint = torch.load(sys.argv[1], weights_only=torch.__version__ >= "2")
observations = torch.from_numpy(numpy.load(sys.argv[2]))
actor, critic = checkpoint["actor_state_dict"], checkpoint["critic_state_dict"]
try:
    from tensordict import TensorDict
    from rsl_rl.models import MLPModel
    observations = TensorDict({"policy": observations}, batch_size=[64])
    act = MLPModel(observations, {"actor": ["policy"]}, "actor", 4, hidden_dims=[64, 64, 64], activation="elu",
                   obs_normalization=True,
                   distribution_cfg={"class_name": "GaussianDistribution", "init_std": 1.0, "std_type": "scalar"})
    act.load_state_dict(actor)
    act.eval()
except ImportError:
    # Before rsl_rl 4, actor and critic are one module and the normaliser stands beside it.
    from rsl_rl.modules import ActorCritic, EmpiricalNormalization
    def named(state, prefix, name):
        return {name + key[len(prefix):]: value for key, value in state.items() if key.startswith(prefix)}
    widths = [value.shape[0] for key, value in critic.items() if key.startswith("mlp.") and key.endswith(".weight")]
    model = ActorCritic(26, 26, 4, [64, 64, 64], widths[:-1], "elu")
    model.load_state_dict({"std": actor["distribution.std_param"], **named(actor, "mlp.", "actor."),
                           **named(critic, "mlp.", "critic.")})
    normalizer = EmpiricalNormalization([26])
    normalizer.load_state_dict(named(actor, "obs_normalizer.", ""))
    normalizer.eval()
    act = lambda observations: model.act_inference(normalizer(observations))
with torch.no_grad():
    error = (act(observations) - torch.from_numpy(numpy.load(sys.argv[3]))).abs().max().item()
assert checkpoint["iter"] == 2 and error <= 1e-5, error
"#;

#[test]
fn rsl_rl_loads_a_trained_teacher() {
    let Some(python) = python_with("torch, numpy, rsl_rl.modules") else { return };
    let workspace = Workspace::empty();
    let short = "--algorithm ppo --max_iterations 2 --num_envs 64 agent.num_steps_per_env=8";
    workspace.eyas(&format!("train {TASK} {short}")).succeed();
    let model = workspace.runs("rsl_rl", "point_ctrl_direct")[0].join("model_2.pt");
    let numbers = (0..64 * 26).map(|index| (0.37 * index as f32).sin()).collect();
    npy::write(&workspace.path("observations.npy"), &Array::new(&[64, 26], Data::F32(numbers))).unwrap();
    workspace.eyas("act").arg(&model).and("observations.npy --output actions.npy").succeed();
    run(&python, ACTOR, &[&model, &workspace.path("observations.npy"), &workspace.path("actions.npy")]);
}
