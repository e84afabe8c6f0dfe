//! Commands: references that vehicles are to follow.

use eyas_lanes::{Draws, Real, fields};
use eyas_sim::{
    CircleConfig, CourseConfig, CourseKind, FigureEightConfig, LangevinConfig, LissajousConfig,
    MinimumSnapConfig, StepConfig, ZigzagConfig,
};

use super::arguments::{Arguments, Names};
use super::config::CommandConfig;
use super::registry::{Kind, Manager, Parameter, Range, TermInfo};
use crate::DriverMut;
use crate::rows::{holds, replace_where};
use crate::target::{Motion, Path, Target};

/// Whether so much time left, s, counts as none: as in Isaac Lab, whose sums of steps end as close to 0.
#[inline(always)]
pub(super) fn is_up<R: Real>(left: R) -> R::Mask {
    left.less(R::constant(1e-6))
}

fields! {
    /// What a command remembers: the numbers of a reference, and a clock.
    pub(super) struct CommandState {
        raw_position: 3,
        raw_velocity: 3,
        position: 3,
        velocity: 3,
        /// Most speed of the episode, m/s.
        max_speed: 1,
        /// 1 where it moves.
        moving: 1,
        /// Time until it is drawn anew, s.
        time_left: 1,
    }
}

/// Numbers of a command.
pub(super) const COMMAND_NUMBERS: usize = 15;
/// Where its position and its velocity stand among them.
pub(super) const POSITION: usize = 6;
pub(super) const VELOCITY: usize = 9;
const TIME_LEFT: usize = 14;

impl<R: Real> CommandState<R> {
    /// At the origin where a mask holds.
    #[inline(always)]
    fn rest(&mut self, mask: R::Mask) {
        let Self { raw_position, raw_velocity, position, velocity, .. } = self;
        for vector in [raw_position, raw_velocity, position, velocity] {
            for value in vector {
                *value = R::select(mask, R::zero(), *value);
            }
        }
    }
}

/// A command as a task flies it.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) term: CommandTerm,
    pub(super) resampling_time_range: Option<[f64; 2]>,
    /// Prefix of its streams.
    pub(super) stream: String,
}

/// The kinds of commands.
#[derive(Clone, Debug)]
pub(super) enum CommandTerm {
    /// A point that stays.
    Hold([f64; 3]),
    /// A point drawn in a box.
    UniformPosition([[f64; 2]; 3]),
    /// A point that moves at random or along a course.
    Moving(Motion),
}

const AT_REST: Parameter = Parameter::new(
    "prob_null_trajectory",
    "1",
    Kind::Number(Range::Within(0.0, 1.0), 0.0),
    "share of episodes in which it rests at the spawn point",
);
const REST_S: Parameter =
    Parameter::new("rest_s", "s", Kind::Number(Range::NotNegative, 1.0), "rest before the course");
const RAMP_S: Parameter = Parameter::new(
    "ramp_s",
    "s",
    Kind::Number(Range::NotNegative, 2.0),
    "time in which it comes up to speed",
);

const fn lap(default: f64) -> Parameter {
    Parameter::new("lap_s", "s", Kind::Number(Range::Positive, default), "time of a lap")
}

impl CommandTerm {
    pub(super) const INFOS: &'static [TermInfo] = &[
        TermInfo {
            name: "hold",
            meaning: "a point that stays",
            parameters: &[Parameter::new(
                "position",
                "m",
                Kind::Vector(Range::Any, [0.0; 3]),
                "the point, from the spawn point",
            )],
        },
        TermInfo {
            name: "uniform_position",
            meaning: "a point that is drawn in a box, at rest until it is drawn anew",
            parameters: &[
                Parameter::new("x", "m", Kind::Interval(Range::Any, [-2.0, 2.0]), "limits along x"),
                Parameter::new("y", "m", Kind::Interval(Range::Any, [-2.0, 2.0]), "limits along y"),
                Parameter::new("z", "m", Kind::Interval(Range::Any, [-0.5, 0.5]), "limits along z"),
            ],
        },
        TermInfo {
            name: "langevin",
            meaning: "a point that moves at random: (M9) of the model",
            parameters: &[
                AT_REST,
                Parameter::new(
                    "max_speed",
                    "m/s",
                    Kind::Interval(Range::NotNegative, [1.0, 3.0]),
                    "limits of an episode's limit of the speed",
                ),
                Parameter::new("gamma", "1/s", Kind::Number(Range::NotNegative, 0.5), "friction"),
                Parameter::new(
                    "omega",
                    "rad/s",
                    Kind::Number(Range::NotNegative, 1.5),
                    "angular frequency of the restoring force",
                ),
                Parameter::new(
                    "sigma",
                    "m/s per √s",
                    Kind::Number(Range::NotNegative, 3.0),
                    "intensity of the noise",
                ),
                Parameter::new(
                    "alpha",
                    "1",
                    Kind::Number(Range::Within(0.0, 1.0), 0.2),
                    "share of the raw velocity in the smoothed one at each step",
                ),
            ],
        },
        TermInfo {
            name: "figure8",
            meaning: "a horizontal figure-8 `(a sin φ, b sin 2φ, 0)`",
            parameters: &[
                AT_REST,
                REST_S,
                RAMP_S,
                lap(10.0),
                Parameter::new("a", "m", Kind::Number(Range::Any, 1.0), "half its length along x"),
                Parameter::new("b", "m", Kind::Number(Range::Any, 0.5), "half its width along y"),
            ],
        },
        TermInfo {
            name: "circle",
            meaning: "a horizontal circle through the spawn point",
            parameters: &[
                AT_REST,
                REST_S,
                RAMP_S,
                lap(6.0),
                Parameter::new("radius", "m", Kind::Number(Range::Any, 0.5), "its radius"),
            ],
        },
        TermInfo {
            name: "lissajous",
            meaning: "a Lissajous figure `a (sin(n φ + δ) − sin δ)` along each axis",
            parameters: &[
                AT_REST,
                REST_S,
                RAMP_S,
                lap(16.0),
                Parameter::new("size", "m", Kind::Vector(Range::Any, [0.8, 0.5, 0.2]), "`a`"),
                Parameter::new(
                    "cycles",
                    "1",
                    Kind::Vector(Range::Within(0.0, 1000.0), [2.0, 3.0, 1.0]),
                    "`n`: oscillations in a lap, whole numbers",
                ),
                Parameter::new("phase", "rad", Kind::Vector(Range::Any, [0.0; 3]), "`δ`"),
            ],
        },
        TermInfo {
            name: "step",
            meaning: "a jump to another point",
            parameters: &[
                AT_REST,
                REST_S,
                Parameter::new("to", "m", Kind::Vector(Range::Any, [0.5, 0.0, 0.0]), "the point"),
            ],
        },
        TermInfo {
            name: "zigzag",
            meaning: "straight legs at constant speed with sharp turns, and back the same way",
            parameters: &[
                AT_REST,
                REST_S,
                Parameter::new("forward", "m", Kind::Number(Range::Any, 0.3), "how far a leg leads along x"),
                Parameter::new("aside", "m", Kind::Number(Range::Any, 0.6), "to and fro along y"),
                Parameter::new(
                    "legs",
                    "1",
                    Kind::Integer(Range::Within(1.0, 1000.0), 4.0),
                    "legs before it turns back",
                ),
                Parameter::new("speed", "m/s", Kind::Number(Range::NotNegative, 0.5), "its speed"),
            ],
        },
        TermInfo {
            name: "minimum_snap",
            meaning: "the smoothest way through waypoints, from rest to rest",
            parameters: &[
                AT_REST,
                REST_S,
                Parameter::new(
                    "waypoints",
                    "m",
                    Kind::Vectors(&[
                        [0.0, 0.0, 0.0],
                        [1.0, 0.5, 0.3],
                        [0.5, 1.2, 0.6],
                        [-0.5, 0.8, 0.2],
                        [0.0, 0.0, 0.0],
                    ]),
                    "2 to 64 points, flown relative to the first",
                ),
                Parameter::new(
                    "times",
                    "s",
                    Kind::Numbers(Range::NotNegative, &[]),
                    "when each is passed, ascending; none: as `speed` says",
                ),
                Parameter::new("speed", "m/s", Kind::Number(Range::Positive, 0.5), "along straight lines"),
            ],
        },
    ];

    fn new(it: &Arguments<'_>, func: &str) -> Result<Self, String> {
        let at_rest = || it.number("prob_null_trajectory");
        let [rest, ramp] = [REST_S, RAMP_S].map(|parameter| parameter.name);
        let mut config = CourseConfig { ramp_s: 0.0, ..CourseConfig::default() };
        config.kind = Some(match func {
            "hold" => return Ok(Self::Hold(it.vector("position"))),
            "uniform_position" => {
                return Ok(Self::UniformPosition(["x", "y", "z"].map(|axis| it.interval(axis))));
            }
            "langevin" => {
                let [gamma, omega, sigma, alpha] =
                    ["gamma", "omega", "sigma", "alpha"].map(|name| it.number(name));
                return Ok(Self::Moving(Motion {
                    path: Path::Random(LangevinConfig { gamma, omega, sigma, alpha }),
                    at_rest: at_rest(),
                    max_speed: Some(it.interval("max_speed")),
                }));
            }
            "figure8" => {
                let size_m = [it.number("a"), it.number("b")];
                config.figure8 = FigureEightConfig { size_m, lap_s: it.number("lap_s") };
                config.ramp_s = it.number(ramp);
                CourseKind::Figure8
            }
            "circle" => {
                config.circle = CircleConfig { radius_m: it.number("radius"), lap_s: it.number("lap_s") };
                config.ramp_s = it.number(ramp);
                CourseKind::Circle
            }
            "lissajous" => {
                config.lissajous = LissajousConfig {
                    size_m: it.vector("size"),
                    cycles: it.vector("cycles").map(|cycles| cycles as u32),
                    phase_rad: it.vector("phase"),
                    lap_s: it.number("lap_s"),
                };
                config.ramp_s = it.number(ramp);
                CourseKind::Lissajous
            }
            "step" => {
                config.step = StepConfig { to_m: it.vector("to") };
                CourseKind::Step
            }
            "zigzag" => {
                config.zigzag = ZigzagConfig {
                    leg_m: [it.number("forward"), it.number("aside")],
                    legs: it.number("legs") as u32,
                    speed_m_s: it.number("speed"),
                };
                CourseKind::Zigzag
            }
            _ => {
                config.minimum_snap = MinimumSnapConfig {
                    waypoints_m: it.vectors("waypoints"),
                    times_s: it.numbers("times"),
                    speed_m_s: it.number("speed"),
                };
                CourseKind::MinimumSnap
            }
        });
        config.rest_s = it.number(rest);
        Self::course(&config, at_rest()).map_err(|message| format!("`{}.params`: {message}", it.key))
    }

    /// The course that a configuration chooses.
    pub(super) fn course(config: &CourseConfig, at_rest: f64) -> Result<Self, String> {
        config.validate().map_err(|error| error.to_string())?;
        let course = eyas_sim::Course::new(config).map_err(|error| error.to_string())?;
        let course = course.expect("a kind of course is chosen");
        Ok(Self::Moving(Motion { path: Path::Course(Box::new(course)), at_rest, max_speed: None }))
    }
}

impl Command {
    /// The command of a file.
    pub(super) fn new(
        name: &str,
        key: &str,
        config: &CommandConfig,
        names: &Names<'_>,
    ) -> Result<Self, String> {
        let arguments = Arguments::new(key, Manager::Commands, &config.func, &config.params, names)?;
        let term = CommandTerm::new(&arguments, &config.func)?;
        super::program::check_times(key, "resampling_time_range", config.resampling_time_range)?;
        let stream = config.stream.clone().unwrap_or_else(|| format!("env/commands/{name}"));
        Ok(Self { term, resampling_time_range: config.resampling_time_range, stream })
    }

    /// Names of the streams of its start and of its motion.
    pub(super) fn streams(&self) -> [String; 2] {
        ["start", "target"].map(|what| format!("{}/{what}", self.stream))
    }

    /// Starts it, given where its numbers stand and its first stream.
    #[inline(always)]
    pub(super) fn reset<R: Real>(&self, [place, start]: [usize; 2], driver: &mut impl DriverMut<R>) {
        let mut state = driver.load::<CommandState<()>>(place);
        let always = R::not(R::never());
        state.rest(always);
        let drawn = self.drawn(&state, &driver.draws(start));
        driver.store::<CommandState<()>>(place, &drawn);
    }

    /// Draws it anew.
    #[inline(always)]
    fn drawn<R: Real>(&self, state: &CommandState<R>, draws: &impl Draws<R>) -> CommandState<R> {
        let mut state = *state;
        let words = draws.words(0);
        match &self.term {
            CommandTerm::Hold(point) => {
                for (value, point) in state.position.iter_mut().zip(point) {
                    *value = R::constant(*point);
                }
            }
            CommandTerm::UniformPosition(limits) => {
                for ((value, [low, high]), word) in state.position.iter_mut().zip(limits).zip(words) {
                    *value = R::uniform(word).mul_add(R::constant(high - low), R::constant(*low));
                }
            }
            CommandTerm::Moving(motion) => {
                let Target { max_speed, moving, .. } = Target::<R>::start(motion, [words[0], words[1]]);
                state.moving = [moving];
                state.rest(R::not(holds::<R>(moving)));
                if motion.max_speed.is_some() {
                    state.max_speed = [max_speed];
                }
            }
        }
        if let Some([low, high]) = self.resampling_time_range {
            state.time_left = [R::uniform(words[3]).mul_add(R::constant(high - low), R::constant(low))];
        }
        state
    }

    /// Moves it on by a control step, s.
    #[inline(always)]
    pub(super) fn advance<R: Real>(
        &self,
        [place, start]: [usize; 2],
        period: f64,
        driver: &mut impl DriverMut<R>,
    ) {
        if self.resampling_time_range.is_some() {
            let left = driver.number(place + TIME_LEFT) - R::constant(period);
            driver.set(place + TIME_LEFT, left);
            let due = is_up(left);
            if driver.any(due) {
                let mut state = driver.load::<CommandState<()>>(place);
                let drawn = self.drawn(&state, &driver.draws(start));
                replace_where::<CommandState<()>, R>(&mut state, due, &drawn);
                driver.store::<CommandState<()>>(place, &state);
            }
        }
        if let CommandTerm::Moving(motion) = &self.term {
            driver.move_reference(place, motion, start + 1);
        }
    }
}
