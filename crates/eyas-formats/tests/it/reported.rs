//! Files that users of rsl_rl reported as unreadable load, and act as the library that wrote them.
//!
//! `tests/data/README.md` says how each was made; the expected actions are the library's own.

use std::path::PathBuf;

use eyas_formats::{
    Checkpoint, FormatError, LoadOptions, LoadedPolicy, NormalizerChoice, Tensor, Value, npy, torch,
};
use eyas_policy::Activation;

use crate::fixtures::{data, load};
use crate::reference::{actions, distance};

/// Single precision over a few dozen terms.
const TOLERANCE: f64 = 1e-5;

fn file(name: &str) -> PathBuf {
    data("reported").join(name)
}

/// The array as one step of `[environments][features]`.
fn step(name: &str) -> Vec<Vec<Vec<f64>>> {
    let array = npy::read(&file(name)).unwrap();
    let width = array.shape()[1];
    vec![array.to_f32().chunks(width).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()]
}

/// Loads `folder/model` and compares its actions with the library's.
#[track_caller]
fn acts_as_expected(folder: &str, model: &str, options: &LoadOptions) -> LoadedPolicy {
    let loaded = load(&file(folder).join(model), options);
    let (found, _) = actions(&loaded.policy, &step(&format!("{folder}/obs.npy")));
    let error = distance(&found, &step(&format!("{folder}/expected.npy")));
    assert!(error < TOLERANCE, "{folder}/{model}: actions differ by {error:e}");
    loaded
}

fn reason<'a>(loaded: &'a LoadedPolicy, what: &str) -> &'a str {
    &loaded.decisions.iter().find(|decision| decision.what == what).unwrap().reason
}

#[test]
fn a_normaliser_without_count_is_used_and_said_to_lack_it() {
    let loaded = acts_as_expected("no_count", "model_3.pt", &LoadOptions::default());
    assert!(reason(&loaded, "normaliser").contains("without its count, which rsl_rl 2.0 does not store"));
    assert!(loaded.policy.normalizer.unwrap().count > 1_000_000, "resuming would forget what it has seen");
    let run = eyas_formats::rsl_rl::read_ppo(&file("no_count/model_3.pt")).unwrap();
    assert!(run.critic_normalizer.is_some() && run.iteration == 2);
}

#[test]
fn what_stands_beside_the_policy_is_named_and_not_read() {
    let description = |model: &str| {
        acts_as_expected("object_beside", model, &LoadOptions::default());
        Checkpoint::read(&file("object_beside").join(model)).unwrap().describe(&LoadOptions::default())
    };
    let (key, class) = ("amp_normalizer", "amp_rsl_rl.utils.utils.Normalizer");
    let found = description("amp.pt");
    let named: Vec<_> = found.opaque.iter().map(|it| (it.key.as_str(), it.class.as_str())).collect();
    assert_eq!(named, [(key, class)]);
    let text = found.to_string();
    assert!(text.contains("objects of other programs, not read") && text.contains(class), "{text}");
    // An array of NumPy is data.
    let found = description("numpy_array.pt");
    assert!(found.opaque.is_empty());
    assert!(found.tensors.iter().any(|tensor| tensor.key == "infos/levels"), "{found}");
}

#[test]
fn an_infinite_clip_in_the_runner_config_is_no_obstacle() {
    let loaded = acts_as_expected("agent_yaml_inf", "model_5.pt", &LoadOptions::default());
    assert_eq!(loaded.policy.network.architecture.activation, Activation::Tanh);
}

#[test]
fn the_normaliser_of_the_runner_belongs_to_a_bare_actor_too() {
    for model in ["control.pt", "sequential.pt"] {
        let loaded = acts_as_expected("root_normaliser", model, &LoadOptions::default());
        assert!(loaded.policy.normalizer.is_some(), "{model}");
    }
}

#[test]
fn every_layout_takes_the_normaliser_of_the_runner() {
    let root = torch::read(&file("root_normaliser/control.pt")).unwrap().0;
    let layers: Vec<(String, Value)> = root
        .get("model_state_dict")
        .unwrap()
        .entries()
        .unwrap()
        .iter()
        .filter_map(|(key, value)| Some((key.as_str()?.strip_prefix("actor.")?.to_owned(), value.clone())))
        .collect();
    let renamed = |prefix: &str| {
        Value::ordered_dict(layers.iter().map(|(key, value)| (format!("{prefix}{key}"), value.clone())))
    };
    let normalizer = root.get("obs_norm_state_dict").unwrap().clone();
    let mut model = renamed("mlp.");
    let Value::OrderedDict(entries) = &mut model else { unreachable!() };
    entries.push(("std".into(), Tensor::from_f32(&[4], &[1.0; 4]).into()));
    for (key, dict) in [("model_state_dict", renamed("network.")), ("actor_state_dict", model)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.pt");
        torch::write(&path, &Value::dict([(key, dict), ("obs_norm_state_dict", normalizer.clone())]))
            .unwrap();
        let loaded = load(&path, &LoadOptions::default());
        let (found, _) = actions(&loaded.policy, &step("root_normaliser/obs.npy"));
        let error = distance(&found, &step("root_normaliser/expected.npy"));
        assert!(error < TOLERANCE, "{key}: actions differ by {error:e}");
    }
}

#[test]
fn a_normaliser_under_a_name_that_nobody_knows_is_not_called_absent() {
    let path = file("root_normaliser/other_name.pt");
    let error = Checkpoint::read(&path).unwrap().policy(&LoadOptions::default()).unwrap_err();
    assert!(matches!(error, FormatError::StrayNormalizer { .. }), "{error}");
    assert!(error.to_string().contains("`actor_obs_norm_state_dict`"), "{error}");
    assert!(error.hint().unwrap().contains("--teacher_normalizer"), "{error}");
    // What the hint says works.
    let own = LoadOptions { normalizer: NormalizerChoice::Path(path), ..LoadOptions::default() };
    acts_as_expected("root_normaliser", "other_name.pt", &own);
}

#[test]
fn a_file_with_nothing_but_the_normaliser_can_be_given_for_it() {
    let alone = NormalizerChoice::Path(file("root_normaliser/normaliser_only.pt"));
    let options = LoadOptions { normalizer: alone, ..LoadOptions::default() };
    acts_as_expected("root_normaliser", "control.pt", &options);
}

#[test]
fn what_a_wrapper_puts_before_every_key_is_taken_off_and_named() {
    let loaded = acts_as_expected("key_prefix", "compiled.pt", &LoadOptions::default());
    let keys = loaded.decisions.iter().find(|decision| decision.what == "keys").unwrap();
    assert_eq!(keys.to_string(), "keys without `_orig_mod.`: torch.compile puts it before every key");

    let root = torch::read(&file("key_prefix/compiled.pt")).unwrap().0;
    let entries = root.get("model_state_dict").unwrap().entries().unwrap();
    let parallel = entries
        .iter()
        .map(|(key, value)| (key.as_str().unwrap().replace("_orig_mod.", "module."), value.clone()));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("parallel.pt");
    torch::write(&path, &Value::dict([("model_state_dict", Value::ordered_dict(parallel))])).unwrap();
    let (found, _) = actions(&load(&path, &LoadOptions::default()).policy, &step("key_prefix/obs.npy"));
    assert!(distance(&found, &step("key_prefix/expected.npy")) < TOLERANCE);
}

#[test]
fn crelu_comes_with_a_word_on_what_rsl_rl_1_meant() {
    let relu = LoadOptions { activation: Some(Activation::Relu), ..LoadOptions::default() };
    acts_as_expected("crelu_of_1.x", "model_1.pt", &relu);
    let loaded = load(&file("crelu_of_1.x/model_1.pt"), &LoadOptions::default());
    assert!(reason(&loaded, "activation").contains("1.x meant ReLU: give --teacher_activation relu"));
}

#[test]
fn a_count_may_be_a_float_and_either_of_variance_and_deviation_may_lack() {
    let root = torch::read(&file("root_normaliser/control.pt")).unwrap().0;
    let stored = root.get("obs_norm_state_dict").unwrap().entries().unwrap();
    for missing in ["_var", "_std"] {
        let rest = stored.iter().filter(|(key, _)| key.as_str() != Some(missing)).map(|(key, value)| {
            let count = key.as_str() == Some("count");
            let value = if count { Tensor::from_f32(&[], &[256.0]).into() } else { value.clone() };
            (key.as_str().unwrap(), value)
        });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.pt");
        let model = root.get("model_state_dict").unwrap().clone();
        let normalizer = Value::ordered_dict(rest);
        torch::write(&path, &Value::dict([("model_state_dict", model), ("obs_norm_state_dict", normalizer)]))
            .unwrap();
        let loaded = load(&path, &LoadOptions::default());
        let (found, _) = actions(&loaded.policy, &step("root_normaliser/obs.npy"));
        assert!(distance(&found, &step("root_normaliser/expected.npy")) < TOLERANCE, "{missing}");
        assert!(reason(&loaded, "normaliser").contains("count 256"), "{}", reason(&loaded, "normaliser"));
    }
}

#[test]
fn a_whole_module_is_refused_by_its_name() {
    // A dict whose model is an object of a class, which `torch.save(model)` writes.
    let directory = tempfile::tempdir().unwrap();
    let pickle = b"\x80\x02cmy_package.models\nActor\n)\x81}b.";
    let path = crate::executes_nothing::archive(&directory, &[("m/data.pkl", pickle), ("m/version", b"3\n")]);
    let error = Checkpoint::read(&path).unwrap().policy(&LoadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("`my_package.models.Actor`, which was not executed"), "{error}");
    assert!(error.hint().unwrap().contains("model.state_dict()"));
}
