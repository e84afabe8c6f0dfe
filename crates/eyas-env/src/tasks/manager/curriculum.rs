//! Curriculum: what changes while a policy learns.

use super::arguments::{Arguments, Names};
use super::config::CurriculumConfig;
use super::registry::{Kind, Manager, Parameter, Range, TermInfo};

/// What a curriculum changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Effects {
    /// Weight of each reward, as the task's file has it.
    pub(super) weights: Vec<f64>,
    /// How much of its ranges each event draws from, in `[0, 1]`.
    pub(super) strengths: Vec<f64>,
}

/// A term of a curriculum.
#[derive(Clone, Debug)]
pub(super) struct CurriculumTerm {
    target: Target,
    /// Value at the start and at the end; no start: that of the file.
    values: [Option<f64>; 2],
    /// Control steps at which it begins to change and has changed.
    steps: [f64; 2],
}

/// Whose value changes.
#[derive(Clone, Copy, Debug)]
enum Target {
    Weight(usize),
    Strength(usize),
}

const NUM_STEPS: Kind = Kind::Integer(Range::Within(0.0, 4e9), 0.0);
const SHARE: Range = Range::Within(0.0, 1.0);

const REWARD: Parameter = Parameter::new("term_name", "1", Kind::TermsOf(Manager::Rewards), "which reward");
const START: Parameter =
    Parameter::new("start_steps", "control steps", NUM_STEPS, "when it begins to change");
const END: Parameter =
    Parameter::new("num_steps", "control steps", NUM_STEPS, "when it has changed; before it begins: at once");

impl CurriculumTerm {
    pub(super) const INFOS: &'static [TermInfo] = &[
        TermInfo {
            name: "modify_reward_weight",
            meaning: "another weight of a reward from a step on",
            parameters: &[
                REWARD,
                Parameter::new("weight", "1", Kind::Number(Range::Any, 0.0), "the weight then"),
                Parameter::new("num_steps", "control steps", NUM_STEPS, "when"),
            ],
        },
        TermInfo {
            name: "ramp_reward_weight",
            meaning: "the weight of a reward goes from that of the file to another one, in a straight line",
            parameters: &[
                REWARD,
                Parameter::new("weight", "1", Kind::Number(Range::Any, 0.0), "the weight at the end"),
                START,
                END,
            ],
        },
        TermInfo {
            name: "ramp_event_strength",
            meaning: "the ranges of an event grow or shrink about their centres, in a straight line",
            parameters: &[
                Parameter::new("term_name", "1", Kind::TermsOf(Manager::Events), "which event"),
                Parameter::new("from", "1", Kind::Number(SHARE, 0.0), "share of the file's ranges at first"),
                Parameter::new("to", "1", Kind::Number(SHARE, 1.0), "share at the end"),
                START,
                END,
            ],
        },
    ];

    /// The term of a file.
    pub(super) fn new(key: &str, config: &CurriculumConfig, names: &Names<'_>) -> Result<Self, String> {
        let it = Arguments::new(key, Manager::Curriculum, &config.func, &config.params, names)?;
        let [target] = it.terms("term_name")?[..] else {
            return Err(format!("`{key}.params.term_name`: expected one name"));
        };
        let end = it.number(END.name);
        let (target, values, start) = match config.func.as_str() {
            "modify_reward_weight" => (Target::Weight(target), [None, Some(it.number("weight"))], end),
            "ramp_reward_weight" => {
                (Target::Weight(target), [None, Some(it.number("weight"))], it.number(START.name))
            }
            _ => {
                let values = [Some(it.number("from")), Some(it.number("to"))];
                (Target::Strength(target), values, it.number(START.name))
            }
        };
        Ok(Self { target, values, steps: [start, end] })
    }

    /// What it makes of the values of the file after so many control steps.
    pub(super) fn apply(&self, step: u32, effects: &mut Effects) {
        let value = match self.target {
            Target::Weight(term) => &mut effects.weights[term],
            Target::Strength(term) => &mut effects.strengths[term],
        };
        let [start, end] = self.steps;
        let progress =
            if f64::from(step) >= end { 1.0 } else { ((f64::from(step) - start) / (end - start)).max(0.0) };
        let [from, to] = self.values.map(|it| it.unwrap_or(*value));
        *value = from + progress * (to - from);
    }
}
