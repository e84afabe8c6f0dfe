//! What a recording lends formulas of an env.

use eyas_lanes::{Draws, Real as _};
use eyas_sim::Langevin;
use eyas_trace::{Recorder, Traced, TracedMask, TracedWord};

use crate::multi_agent::AgentVerdict;
use crate::rows::holds;
use crate::target::{Motion, Path};
use crate::task::{Extras, TaskBase, Verdict};
use crate::{Driver, DriverMut};

/// Numbers of an env are the inputs `numbers` and `steps` of its episode, settings are constants as of the first step, and
/// where a course is comes in under the name of its stream.
pub(super) struct TracedDriver<'a> {
    recorder: &'a mut Recorder,
    start: &'static str,
    streams: Vec<String>,
    settings: Vec<f32>,
    period: f64,
    numbers: Vec<Traced>,
    steps: Option<Traced>,
}

impl<'a> TracedDriver<'a> {
    pub(super) fn new(task: &impl TaskBase, recorder: &'a mut Recorder) -> Self {
        let (rules, Extras { streams, numbers, settings, .. }) = (task.rules(), task.extras());
        let mut all_settings = vec![0.0; settings];
        task.set(0, &mut all_settings);
        let (mut steps, mut inputs) = (None, Vec::new());
        if numbers > 0 {
            inputs = recorder.input_numbers("numbers", numbers);
            let [input] = recorder.input::<[(); 1]>("steps");
            steps = Some(input);
        }
        Self {
            recorder,
            start: rules.start_stream,
            streams,
            settings: all_settings,
            period: rules.period,
            numbers: inputs,
            steps,
        }
    }

    /// The output `numbers`, if there are any.
    pub(super) fn output(self) {
        if !self.numbers.is_empty() {
            self.recorder.output_numbers("numbers", &self.numbers);
        }
    }
}

impl Draws<Traced> for TracedDriver<'_> {
    fn words(&self, draw: u32) -> [TracedWord; 4] {
        self.recorder.draws(self.start).words(draw)
    }
}

impl Driver<Traced> for TracedDriver<'_> {
    fn draws(&self, stream: usize) -> impl Draws<Traced> {
        self.recorder.draws(&self.streams[stream])
    }
    fn number(&self, place: usize) -> Traced {
        self.numbers[place]
    }
    fn setting(&self, place: usize) -> f32 {
        self.settings[place]
    }
    fn episode_steps(&self) -> Traced {
        self.steps.expect("tasks that ask for it have numbers")
    }
    fn any(&self, _: TracedMask) -> bool {
        true
    }
}

impl DriverMut<Traced> for TracedDriver<'_> {
    fn set(&mut self, place: usize, value: Traced) {
        self.numbers[place] = value;
    }

    fn move_reference(&mut self, first: usize, motion: &Motion, stream: usize) {
        let reference = self.load::<Langevin<()>>(first);
        let [max_speed, moving] = self.numbers(first + 12);
        let next = match &motion.path {
            Path::Rest => return,
            Path::Course(_) => {
                let [x, y, z, u, v, w] = self.recorder.input::<[(); 6]>(&self.streams[stream]);
                let (position, velocity) = ([x, y, z], [u, v, w]);
                Langevin { raw_position: position, raw_velocity: velocity, position, velocity }
            }
            Path::Random(config) => {
                let [x, y, z, _] = self.draws(stream).normals(0);
                reference.step(config, self.period, [x, y, z], motion.max_speed.map(|_| max_speed))
            }
        };
        let next = settled(moving, &reference, next);
        self.store::<Langevin<()>>(first, &next);
    }
}

/// What a recorded step came to.
#[derive(Default)]
pub(super) struct TracedVerdict {
    pub(super) causes: Vec<TracedMask>,
    pub(super) terms: Vec<Traced>,
}

impl Verdict<Traced> for TracedVerdict {
    fn end<const N: usize>(&mut self, causes: [TracedMask; N]) {
        self.causes.extend(causes);
    }

    fn has_ended(&self, set: u32) -> TracedMask {
        let holds = self.causes.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1);
        holds.fold(Traced::never(), |any, (_, cause)| Traced::or(any, *cause))
    }

    fn earn<const N: usize>(&mut self, terms: [Traced; N]) {
        self.terms.extend(terms);
    }
}

/// What a recorded step of several agents came to.
#[derive(Default)]
pub(super) struct TracedAgentVerdict {
    pub(super) env: TracedVerdict,
    pub(super) fallen: Vec<TracedMask>,
}

impl AgentVerdict<Traced> for TracedAgentVerdict {
    fn agent<const N: usize>(&mut self, flew: TracedMask, has_ended: TracedMask, terms: [Traced; N]) {
        self.fallen.push(has_ended);
        self.env.earn(terms.map(|term| Traced::select(flew, term, Traced::zero())));
    }

    fn end<const N: usize>(&mut self, causes: [TracedMask; N]) {
        self.env.end(causes);
    }
}

/// Where a reference is that moves, or does not.
pub(super) fn settled(
    moving: Traced,
    rests: &Langevin<Traced>,
    mut moves: Langevin<Traced>,
) -> Langevin<Traced> {
    let mask = holds(moving);
    let mut rests = *rests;
    for (moves, rests) in moves.fields_mut().zip(rests.fields_mut()) {
        *moves = Traced::select(mask, *moves, *rests);
    }
    moves
}
