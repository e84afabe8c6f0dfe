//! Which program wrote a checkpoint, and where its networks stand.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::foreign;
use super::network::{
    CLIP_KEY, FoundNormalizer, Moments, NORMALIZER_KEYS, Stems, load_normalizer, sequential_stems,
};
use super::state_dict::{StateDict, summary};
use crate::{FormatError, Value};

/// How a checkpoint arranges its networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Layout {
    /// rsl_rl 1.x to 3.x, PPO: `model_state_dict` with `actor.*` and `critic.*`; Foundation's fork too.
    RslRlActorCritic,
    /// rsl_rl 4.x and 5.x, PPO: `actor_state_dict` and `critic_state_dict`; Eyas writes it too.
    RslRlModels,
    /// rsl_rl 2.3 to 3.x, distillation: `model_state_dict` with `student.*` and `teacher.*`.
    RslRlDistillation,
    /// rsl_rl 4.x and 5.x, distillation: `student_state_dict` and `teacher_state_dict`.
    RslRlDistillationModels,
    /// The MLP student of `distillation.py`: `model_state_dict` with `network.*`.
    Student,
    /// The GRU student of `distillation.py`: `input_layer`, `gru` and `output_layer`.
    GruStudent,
    /// Foundation's `StudentTeacherRecurrentCustom`: `pre_rnn_mlp`, `rnn`, `post_rnn_mlp` and `student`.
    CustomRecurrentStudent,
    /// The state dict of one model of rsl_rl 4.x or 5.x by itself: `mlp.*`.
    BareModel,
    /// The state dict of a torch `Sequential` by itself: `0.weight`, `2.weight`, ….
    BareSequential,
    /// One network under Eyas' own names: `encoder.*`, `core.*`, `head.*`, `obs_normalizer.*`. What is read of an ONNX
    /// graph is arranged so, and what Eyas writes as safetensors or `.npz`.
    Network,
    /// rl_games: `model` with `a2c_network.*` and its `running_mean_std`.
    RlGames,
    /// skrl: `policy`, `value` and the preprocessors apart.
    Skrl,
    /// Stable-Baselines3: the policy in an archive, its `VecNormalize` beside it.
    StableBaselines3,
    /// sample-factory: `model` with encoder, core, decoder and `action_parameterization`.
    SampleFactory,
    /// RLtools: layers as groups below `actor`, their kinds and activations as attributes.
    RlTools,
    /// None of these.
    Unrecognised,
}

impl fmt::Display for Layout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::RslRlActorCritic => "rsl_rl PPO, one model",
            Self::RslRlModels => "rsl_rl PPO, actor and critic apart",
            Self::RslRlDistillation => "rsl_rl distillation, one model",
            Self::RslRlDistillationModels => "rsl_rl distillation, student and teacher apart",
            Self::Student => "MLP student of distillation.py",
            Self::GruStudent => "GRU student of distillation.py",
            Self::CustomRecurrentStudent => "recurrent student of Foundation",
            Self::BareModel => "state dict of one rsl_rl model",
            Self::BareSequential => "state dict of a torch Sequential",
            Self::Network => "one network",
            Self::RlGames => "rl_games",
            Self::Skrl => "skrl",
            Self::StableBaselines3 => "Stable-Baselines3",
            Self::SampleFactory => "sample-factory",
            Self::RlTools => "RLtools HDF5",
            Self::Unrecognised => "no known layout",
        })
    }
}

/// The networks a checkpoint may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The policy of PPO, or the only one there is.
    Actor,
    /// The policy that distillation trains.
    Student,
    /// The policy that labels.
    Teacher,
    /// The value function of PPO.
    Critic,
}

impl Role {
    /// Its lower-case name, which is also the section of a runner config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Student => "student",
            Self::Teacher => "teacher",
            Self::Critic => "critic",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Finds the layout, and the key of the state dict that holds the networks (empty: the root itself).
pub(crate) fn detect(root: &Value) -> (Layout, &'static str) {
    let is_model = |value: &Value| value.get("@type").is_some();
    if root.get("actor").is_some_and(is_model) {
        return (Layout::RlTools, "actor");
    }
    if is_model(root) {
        return (Layout::RlTools, "");
    }
    if root.get("actor_state_dict").is_some() {
        return (Layout::RslRlModels, "actor_state_dict");
    }
    if root.get("student_state_dict").is_some() || root.get("teacher_state_dict").is_some() {
        return (Layout::RslRlDistillationModels, "student_state_dict");
    }
    if let Some(found) = foreign::detect(root) {
        return found;
    }
    for key in ["model_state_dict", "policy", "state_dict"] {
        if let Some(dict) = root.get(key).filter(|value| value.entries().is_some()) {
            return (detect_model(dict), key);
        }
    }
    (detect_model(root), "")
}

fn detect_model(dict: &Value) -> Layout {
    let dict = StateDict::new(Path::new(""), "", dict);
    let marks: [(&[&str], Layout); 10] = [
        (&["head.0."], Layout::Network),
        (&["network.0."], Layout::Student),
        (&["input_layer.", "gru.", "output_layer."], Layout::GruStudent),
        (&["pre_rnn_mlp.", "student."], Layout::CustomRecurrentStudent),
        (&["student."], Layout::RslRlDistillation),
        (&["actor."], Layout::RslRlActorCritic),
        // After the actor: a file may hold both, and then it belongs to PPO.
        (&["teacher."], Layout::RslRlDistillation),
        (&["critic."], Layout::RslRlActorCritic),
        (&["mlp.0."], Layout::BareModel),
        (&["0.weight"], Layout::BareSequential),
    ];
    marks
        .into_iter()
        .find(|(prefixes, _)| prefixes.iter().all(|prefix| dict.has_prefix(prefix)))
        .map_or(Layout::Unrecognised, |(_, layout)| layout)
}

/// What is known of the version that wrote a PPO or distillation checkpoint.
pub(crate) fn writer(layout: Layout, root: &Value, model_key: &str) -> Option<String> {
    let model = root.get(model_key).unwrap_or(root);
    let has = |key: &str| root.get(key).is_some();
    if has(crate::EYAS_KEY) {
        let writer = root.get(crate::EYAS_KEY)?.get("writer")?.as_str()?;
        return Some(format!("written by {writer}"));
    }
    if let Some(writer) = foreign::writer(layout, root) {
        return Some(writer);
    }
    let prefix = |prefix: &str| StateDict::new(Path::new(""), "", model).has_prefix(prefix);
    let version = match layout {
        Layout::RslRlActorCritic | Layout::RslRlDistillation => {
            if ["actor_obs_n", "critic_obs_n", "student_obs_n", "teacher_obs_n"].into_iter().any(prefix) {
                "3.x"
            } else if has("privileged_obs_norm_state_dict") {
                "2.3"
            } else if has("critic_obs_norm_state_dict") {
                "2.0-2.2"
            } else if layout == Layout::RslRlDistillation {
                "2.3-3.x"
            } else {
                "1.x-3.x"
            }
        }
        Layout::RslRlModels | Layout::RslRlDistillationModels | Layout::BareModel => {
            if prefix("distribution.") {
                "5.x"
            } else if prefix("std") || prefix("log_std") {
                "4.x"
            } else {
                "4.x-5.x"
            }
        }
        _ => return None,
    };
    Some(format!("rsl_rl {version}"))
}

/// One network of a checkpoint, found but not read.
pub(crate) struct Part<'a> {
    pub(crate) role: Role,
    pub(crate) dict: StateDict<'a>,
    pub(crate) stems: Stems,
    /// The normaliser's buffers, where there are some.
    pub(crate) normalizer: Option<Statistics<'a>>,
    /// The key of the standard deviation, and whether it holds logarithms.
    pub(crate) std: Option<(&'static str, bool)>,
    /// Prefixes of the other networks in the same dict.
    pub(crate) others: &'static [&'static str],
}

/// The buffers of a normaliser, found but not read.
pub(crate) struct Statistics<'a> {
    pub(crate) dict: StateDict<'a>,
    /// What stands before their names in the dict.
    pub(crate) prefix: String,
    /// How another program than rsl_rl computes with them.
    pub(crate) moments: Option<Moments>,
    /// Samples that they come from, where these are no tensor.
    pub(crate) samples: Option<f64>,
}

impl<'a> Statistics<'a> {
    pub(crate) fn new(dict: StateDict<'a>, prefix: &str, moments: Option<Moments>) -> Self {
        Self { dict, prefix: prefix.to_owned(), moments, samples: None }
    }

    /// Reads a normaliser of `width` features.
    pub(crate) fn load(&self, width: usize) -> Result<FoundNormalizer, FormatError> {
        match &self.moments {
            Some(moments) => moments.load(self, width),
            None => load_normalizer(&self.dict, &self.prefix, width),
        }
    }

    /// Names of the buffers in the dict.
    pub(crate) fn keys(&self) -> Vec<String> {
        let names = match &self.moments {
            Some(moments) => moments.names(),
            None => NORMALIZER_KEYS.into_iter().chain([CLIP_KEY]).collect(),
        };
        names.into_iter().map(|name| format!("{}{name}", self.prefix)).collect()
    }

    /// Where they stand, for messages.
    pub(crate) fn place(&self) -> String {
        if self.prefix.is_empty() {
            self.dict.name.to_owned()
        } else {
            self.dict.full_name(&format!("{}*", self.prefix))
        }
    }
}

/// Where the pieces of one network are looked for.
struct Places {
    dict: &'static str,
    encoder: &'static str,
    cores: &'static [&'static str],
    heads: &'static [&'static str],
    normalizer: &'static str,
    /// Normaliser dicts at the root, rsl_rl before 3.0.
    root_normalizers: &'static [&'static str],
    others: &'static [&'static str],
}

const NOWHERE: Places = Places {
    dict: "",
    encoder: "",
    cores: &[],
    heads: &[],
    normalizer: "",
    root_normalizers: &[],
    others: &[],
};

const OWN: &[&str] = &["obs_norm_state_dict"];
const PRIVILEGED: &[&str] = &["privileged_obs_norm_state_dict", "critic_obs_norm_state_dict"];

fn places(layout: Layout, role: Role, model_key: &'static str) -> Option<Places> {
    let one = Places { dict: model_key, ..NOWHERE };
    let apart = Places {
        cores: &["rnn.rnn."],
        heads: &["mlp."],
        normalizer: "obs_normalizer.",
        root_normalizers: if matches!(role, Role::Critic | Role::Teacher) { PRIVILEGED } else { OWN },
        ..NOWHERE
    };
    Some(match (layout, role) {
        (Layout::RslRlActorCritic, Role::Actor) => Places {
            cores: &["memory_a.rnn."],
            heads: &["actor."],
            normalizer: "actor_obs_normalizer.",
            root_normalizers: OWN,
            others: &["critic", "memory_c."],
            ..one
        },
        (Layout::RslRlActorCritic, Role::Critic) => Places {
            cores: &["memory_c.rnn."],
            heads: &["critic."],
            normalizer: "critic_obs_normalizer.",
            root_normalizers: PRIVILEGED,
            others: &["actor", "memory_a.", "std", "log_std"],
            ..one
        },
        (Layout::RslRlModels, Role::Actor) => Places { dict: "actor_state_dict", ..apart },
        (Layout::RslRlModels, Role::Critic) => Places { dict: "critic_state_dict", ..apart },
        (Layout::RslRlDistillationModels, Role::Student) => Places { dict: "student_state_dict", ..apart },
        (Layout::RslRlDistillationModels, Role::Teacher) => Places { dict: "teacher_state_dict", ..apart },
        (Layout::BareModel, Role::Actor) => Places { dict: model_key, ..apart },
        (Layout::RslRlDistillation, Role::Student) => Places {
            cores: &["memory_s.rnn."],
            heads: &["student."],
            normalizer: "student_obs_normalizer.",
            root_normalizers: OWN,
            others: &["teacher", "memory_t."],
            ..one
        },
        (Layout::CustomRecurrentStudent, Role::Student) => Places {
            encoder: "pre_rnn_mlp.",
            // Older files of the fork carry rsl_rl's name.
            cores: &["rnn.", "memory_s.rnn."],
            heads: &["post_rnn_mlp.", "student."],
            root_normalizers: OWN,
            others: &["teacher", "memory_t."],
            ..one
        },
        (Layout::RslRlDistillation | Layout::CustomRecurrentStudent, Role::Teacher) => Places {
            cores: &["memory_t.rnn."],
            heads: &["teacher."],
            normalizer: "teacher_obs_normalizer.",
            root_normalizers: PRIVILEGED,
            others: &["student", "memory_s.", "pre_rnn_mlp.", "rnn.", "post_rnn_mlp.", "std", "log_std"],
            ..one
        },
        (Layout::Student, Role::Student) => Places { heads: &["network."], root_normalizers: OWN, ..one },
        (Layout::BareSequential, Role::Actor) => Places { heads: &[""], root_normalizers: OWN, ..one },
        _ => return None,
    })
}

/// Finds the pieces of one network; `None` if the checkpoint does not hold it.
pub(crate) fn part<'a>(
    (layout, model_key): (Layout, &'static str),
    role: Role,
    root: &'a Value,
    path: &'a Path,
) -> Result<Option<Part<'a>>, FormatError> {
    if let Some(part) = foreign::part(layout, role, root, path)? {
        return Ok(Some(part));
    }
    if (layout, role) == (Layout::GruStudent, Role::Student) {
        let dict = StateDict::new(path, model_key, root.get(model_key).unwrap_or(root));
        let stems = gru_student_stems();
        let normalizer = root_normalizer(root, path, OWN);
        return Ok(Some(Part { role, dict, stems, normalizer, std: None, others: &[] }));
    }
    if (layout, role) == (Layout::Network, Role::Actor) {
        let dict = StateDict::new(path, model_key, root.get(model_key).unwrap_or(root));
        let normalizer = dict
            .has_prefix("obs_normalizer.")
            .then(|| Statistics::new(dict.clone(), "obs_normalizer.", None))
            .or(root_normalizer(root, path, OWN));
        let (stems, std) = (own_stems(&dict), std_key(&dict));
        return Ok(Some(Part { role, dict, stems, normalizer, std, others: &[] }));
    }
    let Some(places) = places(layout, role, model_key) else { return Ok(None) };
    let Some(value) = (if places.dict.is_empty() { Some(root) } else { root.get(places.dict) }) else {
        return Ok(None);
    };
    let dict = StateDict::new(path, places.dict, value);
    if !places.heads.iter().any(|head| dict.has_prefix(head)) {
        return Ok(None);
    }
    let stems = stems(&dict, &places)?;
    let normalizer = normalizer(&dict, &places, root);
    let std = (role != Role::Critic && !places.others.contains(&"std")).then(|| std_key(&dict)).flatten();
    Ok(Some(Part { role, dict, stems, normalizer, std, others: places.others }))
}

/// The stems of the documented GRU student.
pub(crate) fn gru_student_stems() -> Stems {
    Stems {
        encoder: vec!["input_layer".to_owned()],
        core: Some("gru.".to_owned()),
        head: vec!["output_layer".to_owned()],
    }
}

/// The stems under Eyas' own names: those of [`Architecture::tensors`](eyas_policy::Architecture::tensors).
fn own_stems(dict: &StateDict<'_>) -> Stems {
    let layers = |part: &str| {
        let stems = (0..).map(|index| format!("{part}.{index}"));
        stems.take_while(|stem| dict.contains(&format!("{stem}.weight"))).collect()
    };
    Stems {
        encoder: layers("encoder"),
        core: dict.has_prefix("core.").then(|| "core.".to_owned()),
        head: layers("head"),
    }
}

fn stems(dict: &StateDict<'_>, places: &Places) -> Result<Stems, FormatError> {
    let encoder =
        if places.encoder.is_empty() { Vec::new() } else { sequential_stems(dict, places.encoder)? };
    let core = places.cores.iter().find(|core| dict.has_prefix(core)).map(|core| (*core).to_owned());
    let mut head = Vec::new();
    for prefix in places.heads {
        head.extend(sequential_stems(dict, prefix)?);
    }
    if head.is_empty() {
        let problem = format!("no linear layers among {}", summary(dict.keys()));
        return Err(FormatError::unsupported(dict.path, problem));
    }
    Ok(Stems { encoder, core, head })
}

fn normalizer<'a>(dict: &StateDict<'a>, places: &Places, root: &'a Value) -> Option<Statistics<'a>> {
    if !places.normalizer.is_empty() && dict.has_prefix(places.normalizer) {
        return Some(Statistics::new(dict.clone(), places.normalizer, None));
    }
    root_normalizer(root, dict.path, places.root_normalizers)
}

/// The normaliser at the root of a file under one of these names.
fn root_normalizer<'a>(root: &'a Value, path: &'a Path, names: &[&'static str]) -> Option<Statistics<'a>> {
    let key = names.iter().find(|key| root.get(key).is_some())?;
    Some(Statistics::new(StateDict::new(path, key, root.get(key)?), "", None))
}

/// The normaliser of a file that holds no network of this role.
pub(crate) fn normalizer_alone<'a>(root: &'a Value, path: &'a Path, role: Role) -> Option<Statistics<'a>> {
    root_normalizer(root, path, if matches!(role, Role::Critic | Role::Teacher) { PRIVILEGED } else { OWN })
}

/// Keys at the root under which a normaliser of that many features stands although no layout has one there.
pub(crate) fn stray_normalizers(root: &Value, width: usize) -> Vec<&str> {
    let known = |key: &str| OWN.contains(&key) || PRIVILEGED.contains(&key);
    let fits = |dict: &Value| {
        dict.get("_mean").and_then(Value::as_tensor).is_some_and(|mean| mean.num_elements() == width)
            && ["_std", "_var"].iter().any(|key| dict.get(key).is_some())
    };
    let entries = root.entries().unwrap_or_default().iter();
    entries
        .filter_map(|(key, dict)| Some((key.as_str()?, dict)))
        .filter(|(key, dict)| !known(key) && fits(dict))
        .map(|(key, _)| key)
        .collect()
}

fn std_key(dict: &StateDict<'_>) -> Option<(&'static str, bool)> {
    let keys = [
        ("std", false),
        ("log_std", true),
        ("distribution.std_param", false),
        ("distribution.log_std_param", true),
    ];
    keys.into_iter().find(|(key, _)| dict.contains(key))
}
