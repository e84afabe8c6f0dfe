//! The black box of a flight with a number that is not finite: writing it down, and flying it again.

use std::fmt::Write as _;
use std::path::Path;

use eyas_env::PERTURBATION_NUMBERS;
use eyas_formats::npy::{self, Array, Data};
use eyas_learn::{BlackBox, NotFinite, Origin, Replayed, STATE_WIDTH};
use eyas_run::{Layers, Value};
use serde::{Deserialize, Serialize};

use crate::configuration::check;
use crate::failure::Failure;
use crate::tasks::{self, AnyTask};
use crate::text::{printable, shell_word};

/// Its file in the folder of a run.
pub const BLACK_BOX: &str = "black_box.npz";
/// Its array of what was done to the vehicles, where anything was.
const PERTURBATION: &str = "perturbation";
/// What the files of it say that they are.
const FORMAT: &str = "eyas black box";
const VERSION: u32 = 1;

/// What makes an env again.
#[derive(Serialize, Deserialize)]
struct Made {
    /// Id of its task.
    task: String,
    /// Key of its draws.
    seed: u64,
    /// The task's configuration, YAML of the group `env`.
    env: String,
}

/// What the file says of itself.
#[derive(Serialize, Deserialize)]
struct About {
    format: String,
    version: u32,
    program: String,
    /// Global index of the env.
    env: u32,
    /// What was not finite.
    quantity: String,
    made: Made,
}

/// What makes each env of a task again; `of` is the task as that env flies it.
pub(crate) fn origin_of(seed: u64, of: impl Fn(u32) -> Box<dyn AnyTask> + Send + Sync + 'static) -> Origin {
    std::sync::Arc::new(move |env| {
        let task = of(env);
        let made = |group: Value| Made { task: task.id().to_owned(), seed, env: group.to_yaml() };
        let group = task.layers().and_then(|layers| Layers::of_groups([("env", layers)]).table("env"));
        // What is configured has been written in a run's `params` already; a task that could not be has no origin.
        group.ok().and_then(|it| serde_json::to_string(&made(it)).ok()).unwrap_or_default()
    })
}

/// Writes the black box of an error to a file, if it has one and the env can be made again; says what to do with it.
pub fn keep(error: &NotFinite, path: &Path) -> Option<String> {
    let NotFinite::Flown { quantity, black_box: Some(it), .. } = error else { return None };
    let made = serde_json::from_str(&it.origin).ok()?;
    let about = About {
        format: FORMAT.into(),
        version: VERSION,
        program: format!("eyas {}", env!("CARGO_PKG_VERSION")),
        env: it.env,
        quantity: quantity.clone(),
        made,
    };
    let steps = it.len();
    Some(match write(path, it, &about) {
        Ok(()) => format!(
            "its last {steps} control steps are in {}: `eyas replay {}` flies them again",
            path.display(),
            shell_word(path.display())
        ),
        Err(error) => format!("its last steps could not be written to {}: {error}", path.display()),
    })
}

fn write(path: &Path, it: &BlackBox, about: &About) -> Result<(), Failure> {
    let rows = |rows: &[Vec<f32>]| {
        let width = rows.first().map_or(0, Vec::len);
        Array::new(&[rows.len(), width], Data::F32(rows.concat()))
    };
    let states = rows(&it.states);
    let [moments, width] = [0, 1].map(|axis| states.shape()[axis]);
    let states = Array::new(&[moments, width / STATE_WIDTH, STATE_WIDTH], states.data().clone());
    let words = it.start.iter().map(|word| i64::from(*word)).collect();
    let text = serde_json::to_vec(about).map_err(Failure::new)?;
    let mut arrays = vec![
        ("state", states),
        ("observation", rows(&it.observations)),
        ("action", rows(&it.actions)),
        ("reset", Array::new(&[it.len()], Data::Bool(it.resets.clone()))),
        ("start", Array::new(&[it.start.len()], Data::I64(words))),
        ("about", Array::new(&[text.len()], Data::U8(text))),
    ];
    if !it.perturbations.is_empty() {
        let shape = [it.perturbations.len(), PERTURBATION_NUMBERS];
        arrays.push((PERTURBATION, Array::new(&shape, Data::F32(it.perturbations.concat()))));
    }
    let named: Vec<(&str, &Array)> = arrays.iter().map(|(name, array)| (*name, array)).collect();
    Ok(npy::write_npz(path, &named)?)
}

/// A black box that was read, and the task that its env is of.
pub struct Recording {
    about: About,
    task: Box<dyn AnyTask>,
    black_box: BlackBox,
}

/// What a black box showed when it was flown again.
pub struct Replay {
    recording: Recording,
    replayed: Replayed,
}

impl Recording {
    /// Reads a file of this program.
    ///
    /// # Errors
    ///
    /// If it is no black box, or one of another version.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let hint = "`train`, `distill`, `play` and `eval` leave a black box where a number is not finite";
        let at = |what: String| Failure::new(what).at(&path.display()).hint(hint);
        let arrays = npy::read_npz(path).map_err(|error| Failure::from(error).hint_or(hint))?;
        let find = |name: &str| {
            let found = arrays.iter().find(|(it, _)| it == name).map(|(_, array)| array);
            found.ok_or_else(|| at(format!("no black box: it holds no array `{name}`")))
        };
        let Data::U8(text) = find("about")?.data() else {
            return Err(at("no black box: `about` is no text".into()));
        };
        let about: About =
            serde_json::from_slice(text).map_err(|error| at(format!("no black box: {error}")))?;
        if about.format != FORMAT || about.version != VERSION {
            let found =
                format!("{} of version {}, written by {}", about.format, about.version, about.program);
            return Err(at(format!("{}, expected `{FORMAT}` of version {VERSION}", printable(&found))));
        }
        let rows = |name: &str| -> Result<Vec<Vec<f32>>, Failure> {
            let array = find(name)?;
            let count = array.shape().first().copied().unwrap_or(0);
            let values = array.to_f32();
            let width = values.len().checked_div(count).unwrap_or(0).max(1);
            Ok(values.chunks(width).map(<[f32]>::to_vec).collect())
        };
        let (Data::I64(words), Data::Bool(resets)) = (find("start")?.data(), find("reset")?.data()) else {
            return Err(at("no black box: `start` and `reset` are of another type".into()));
        };
        let perturbations = match find(PERTURBATION) {
            Ok(array) => {
                let numbers = array.to_f32();
                let (each, rest) = numbers.as_chunks();
                if !rest.is_empty() {
                    return Err(at(format!("a damaged black box: `{PERTURBATION}` is cut")));
                }
                each.to_vec()
            }
            Err(_) => Vec::new(),
        };
        let black_box = BlackBox {
            env: about.env,
            origin: String::new(),
            start: words.iter().map(|word| *word as u32).collect(),
            states: rows("state")?,
            observations: rows("observation")?,
            actions: rows("action")?,
            resets: resets.clone(),
            perturbations,
        };
        if !black_box.is_whole() {
            let steps = black_box.len();
            return Err(at(format!("a damaged black box: its arrays are not those of {steps} steps")));
        }
        let task = Self::task_of(&about.made).map_err(|failure| failure.or_at(&path.display()))?;
        let spec = task.spec();
        let is_of_task = (black_box.actions.iter().all(|it| it.len() == spec.num_actions))
            && black_box.observations.iter().all(|it| it.len() == spec.num_observations());
        if !is_of_task {
            return Err(at(format!("a damaged black box: not of task `{}`", spec.task)));
        }
        Ok(Self { about, task, black_box })
    }

    fn task_of(made: &Made) -> Result<Box<dyn AnyTask>, Failure> {
        let base = tasks::defaults().into_iter().find(|task| task.id() == made.task);
        let base = base.map_or_else(|| tasks::find(&made.task), Ok)?;
        let mut layers = Layers::of_groups([("env", base.layers()?)]);
        let indented: Vec<String> = made.env.lines().map(|line| format!("  {line}\n")).collect();
        layers.preset("black box", &format!("env:\n{}", indented.concat()))?;
        let task = base.read(&layers)?;
        check(&layers, task.validate())?;
        Ok(task)
    }

    /// Flies it again.
    ///
    /// # Errors
    ///
    /// If its env is not one of the task as this program flies it.
    pub fn fly(self) -> Result<Replay, Failure> {
        let mut engine = self.task.make(self.black_box.lane() + 1, self.about.made.seed);
        let replayed = self.black_box.fly(engine.as_mut()).ok_or_else(|| {
            Failure::new("the state in it is not one of its task as this program flies it")
                .hint(format!("it was written by {}", printable(&self.about.program)))
        })?;
        Ok(Replay { recording: self, replayed })
    }
}

impl Replay {
    /// Whether every step was as recorded, bit for bit.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.replayed.differs.is_none() && self.replayed.steps == self.recording.black_box.len()
    }

    /// What was flown, whether it was the same, and where the first number that is not finite comes from.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { recording: Recording { about, task, black_box: it }, replayed } = self;
        let (steps, period) = (it.len(), task.control_period());
        let mut text = format!(
            "{} with seed {}, env {}: {steps} control steps, {:.2} s\n",
            task.id(),
            about.made.seed,
            about.env,
            steps as f64 * period
        );
        // Writing to a string does not fail.
        let _ = match replayed.differs {
            None if self.is_same() => {
                writeln!(text, "all {steps} steps are reproduced bit for bit: states and observations")
            }
            Some((step, what)) => {
                writeln!(text, "not reproduced: the {what} of step {} differs", step + 1)
            }
            None => writeln!(text, "not reproduced: the flight ends in step {} of {steps}", replayed.steps),
        };
        match &replayed.first {
            None => text.push_str("every number is finite: what was not is not reproduced\n"),
            Some((step, quantity)) => {
                let _ = writeln!(text, "first number that is not finite: {quantity} in step {}", step + 1);
                text.push_str(&self.cause(*step, quantity));
            }
        }
        text
    }

    /// What the numbers before the first that is not finite say of where it comes from.
    fn cause(&self, step: usize, quantity: &str) -> String {
        let Recording { task, black_box: it, .. } = &self.recording;
        let largest = |values: &[f32]| {
            let places = values.iter().enumerate().filter(|(_, value)| value.is_finite());
            places.max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs())).map_or((0, 0.0), |(at, it)| (at, *it))
        };
        let spec = task.spec();
        let (feature, seen) = largest(&it.observations[step]);
        let (motor, given) = largest(&it.actions[step]);
        let state = &it.states[step];
        let of_body = |range: std::ops::Range<usize>| {
            let part = state.chunks(STATE_WIDTH).flat_map(|vehicle| &vehicle[range.clone()]);
            part.fold(0.0_f32, |most, value| most.max(value.abs()))
        };
        let [speed, rate] = [of_body(7..10), of_body(10..13)];
        let before = format!(
            "before it: largest observation {seen} (`{}`), speed {speed} m/s, angular velocity {rate} rad/s\n",
            spec.feature_name(feature)
        );
        let source = if quantity.starts_with("action") {
            "it comes from the policy: what it saw is finite, what it gives is not".to_owned()
        } else if quantity.starts_with("observation") {
            "it comes from the observation: state and action are finite".to_owned()
        } else if quantity == "the reward" {
            let names: Vec<&str> =
                self.replayed.terms.iter().filter_map(|term| spec.reward_terms.get(*term).copied()).collect();
            match &names[..] {
                [] => "it comes from the sum of the reward's terms, each of which is finite".to_owned(),
                names => format!("it comes from the reward's terms {}", names.join(", ")),
            }
        } else {
            format!(
                "it comes from the motion: the action is finite (largest {given}, number {motor}); a smaller \
                 control period or more `env.sim.substeps` is the usual cure"
            )
        };
        format!("{source}\n{before}")
    }
}
