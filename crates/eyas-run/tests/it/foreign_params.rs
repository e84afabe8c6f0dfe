//! Parameters of Isaac Lab are read, and what cannot be used of them is named; ours are read by Python.

use std::fs;
use std::path::{Path, PathBuf};

use eyas_run::config::{Layers, Value};
use eyas_run::{Origin, RunDir};
use serde::{Deserialize, Serialize};

use crate::python;

#[derive(Serialize, Deserialize)]
struct Config {
    env: Env,
}

#[derive(Serialize, Deserialize)]
struct Env {
    decimation: u32,
    episode_length_s: f64,
    scene: Scene,
    sim: Sim,
}

#[derive(Serialize, Deserialize)]
struct Scene {
    num_envs: u32,
}

#[derive(Serialize, Deserialize)]
struct Sim {
    dt: f64,
    gravity: Vec<f64>,
}

fn layers() -> Layers {
    let env = Env {
        decimation: 1,
        episode_length_s: 5.0,
        scene: Scene { num_envs: 1 },
        sim: Sim { dt: 0.01, gravity: vec![0.0; 3] },
    };
    Layers::new(&Config { env }).unwrap()
}

fn isaac_lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/isaac_lab/env.yaml")
}

#[test]
fn what_is_known_is_used() {
    let mut layers = layers();
    layers.foreign("env", isaac_lab(), &[]).unwrap();
    let Config { env } = layers.finish().unwrap();
    assert_eq!((env.decimation, env.scene.num_envs, env.sim.dt), (2, 4096, 0.005));
    assert_eq!(env.sim.gravity, [0.0, 0.0, -9.81]);
    let origin = Origin::File { path: isaac_lab(), line: 14, column: 3 };
    assert!(
        matches!(layers.origin("env.sim.gravity"), Some(it) if *it == origin),
        "{:?}",
        layers.origin("env.sim.gravity")
    );
}

#[test]
fn what_is_not_known_is_listed() {
    let unused = layers().foreign("env", isaac_lab(), &[]).unwrap();
    let lines = unused.iter().map(|it| {
        let place = it.origin.to_string();
        let place = place.rsplit_once("env.yaml:").map_or("", |(_, place)| place);
        format!("{place} {} = {} ({})", it.key, it.value, it.reason)
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
    1:1 env.viewer = {eye:[7.5,7.5,7.5],origin_type:world,resolution:[1280,720]} (no such key)
    11:3 env.sim.physics_prim_path = /physicsScene (no such key)
    12:3 env.sim.device = 'cuda:0' (no such key)
    18:3 env.sim.render = {resolution:[1280,720]} (no such key)
    20:1 env.ui_window_class_type = 'quadcopter.env:QuadcopterEnvWindow' (no such key)
    21:1 env.seed = 7 (no such key)
    25:3 env.scene.env_spacing = 2.5 (no such key)
    26:3 env.scene.robot = null (no such key)
    27:1 env.events = {reset:{func:'isaaclab.envs.mdp.events:reset_joints_by_scale',params:{asset_cfg:{name:robot,joint_ids:[null,null,null],body_names:[null,4,null]},position_range:[0.5,1.5]}}} (no such key)
    39:19 env.episode_length_s = long (expected a float)
    40:1 env.noise = '' (no such key)
    ");
}

/// What `torch` users load with `pickle.load` is what they load with `yaml.safe_load`, types included, and to load it
/// asks for no class and no function.
#[test]
fn pickle_and_yaml_are_the_same_to_python() {
    const SCRIPT: &str = r"
import pickle, pickletools, sys, yaml
def same(a, b):
    assert type(a) is type(b), (a, b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        return all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b
folder = sys.argv[1]
data = open(f'{folder}/env.pkl', 'rb').read()
names = {op.name for op, _, _ in pickletools.genops(data)}
assert not names & {'GLOBAL', 'STACK_GLOBAL', 'REDUCE', 'BUILD', 'INST', 'OBJ', 'NEWOBJ'}, names
assert same(pickle.loads(data), yaml.safe_load(open(f'{folder}/env.yaml', encoding='utf-8')))
print('same')
";
    let root = tempfile::tempdir().unwrap();
    let run = RunDir::create(root.path(), "a", "").unwrap();
    let text = "{seed: 42, big: 9223372036854775807, small: -3, dt: 1e-05, huge: 1e300, inf: -inf, on: true, off: false, \
                none: null, name: 'größe', empty: '', yes: 'yes', number: '1e-4', dims: [64, 64], nested: [[1], [a, null]], \
                table: {a: {b: {}}, list: []}}";
    let params: Value = text.parse().unwrap();
    run.params("env", &params).unwrap();
    let folder = run.file("params");
    let Some(output) = python::run("yaml", SCRIPT, &[folder.to_str().unwrap()]) else { return };
    assert_eq!(output.trim(), "same");
}

#[test]
fn an_integer_that_python_files_cannot_hold_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDir::create(root.path(), "a", "").unwrap();
    let error = run.params("env", &Value::from(u64::MAX)).unwrap_err();
    assert_eq!(error.to_string(), "integer 18446744073709551615 of a configuration has more than 63 bits");
    assert!(fs::read_dir(run.file("params")).unwrap().next().is_none());
}
