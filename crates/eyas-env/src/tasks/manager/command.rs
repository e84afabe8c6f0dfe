//! Commands: references that vehicles are to follow.

use eyas_lanes::{Lanes, Row, Stream};
use eyas_sim::{
    CircleConfig, CourseConfig, CourseKind, FigureEightConfig, LangevinConfig, LissajousConfig,
    MinimumSnapConfig, StepConfig, ZigzagConfig,
};

use super::arguments::{Arguments, Names};
use super::config::CommandConfig;
use super::registry::{Kind, Manager, Parameter, Range, TermInfo};
use crate::episode::Moment;
use crate::target::{Motion, Path, Target};

/// Time left that counts as none, s: that of Isaac Lab, whose sums of steps end as close to 0.
pub(super) const TIME_IS_UP_S: f32 = 1e-6;

/// What a command remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct CommandState {
    pub(super) target: Target,
    /// Time until it is drawn anew, s.
    time_left: Row,
}

impl CommandState {
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        let Self { target, time_left } = self;
        target.rows_mut().chain([time_left])
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

/// Draws of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommandStreams {
    start: Stream,
    target: Stream,
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

    pub(super) fn streams(&self, seed: u64) -> CommandStreams {
        CommandStreams {
            start: Stream::new(seed, &format!("{}/start", self.stream)),
            target: Stream::new(seed, &format!("{}/target", self.stream)),
        }
    }
}

impl Command {
    /// Starts the command of the lanes of a mask.
    #[inline(always)]
    pub(super) fn reset<L: Lanes>(
        &self,
        streams: &CommandStreams,
        state: &mut CommandState,
        at: &Moment<'_>,
        mask: L::Mask,
    ) {
        state.target.rest::<L>(at.half, mask);
        self.draw::<L>(streams, state, at, mask);
    }

    #[inline(always)]
    fn draw<L: Lanes>(
        &self,
        streams: &CommandStreams,
        state: &mut CommandState,
        at: &Moment<'_>,
        mask: L::Mask,
    ) {
        let half = at.half;
        let kind = streams.start.lanes(at.first_env, at.episode, at.clock, 0);
        let position = &mut state.target.reference.position;
        match &self.term {
            CommandTerm::Hold(point) => {
                for (row, value) in position.iter_mut().zip(point) {
                    row.store_where(half, mask, L::constant(*value));
                }
            }
            CommandTerm::UniformPosition(limits) => {
                for ((row, [low, high]), words) in position.iter_mut().zip(limits).zip(&kind) {
                    let value = L::uniform(*words).mul_add(L::constant(high - low), L::constant(*low));
                    row.store_where(half, mask, value);
                }
            }
            CommandTerm::Moving(motion) => {
                state.target.draw::<L>(half, mask, motion, [kind[0], kind[1]]);
            }
        }
        if let Some([low, high]) = self.resampling_time_range {
            let time = L::uniform(kind[3]).mul_add(L::constant(high - low), L::constant(low));
            state.time_left.store_where(half, mask, time);
        }
    }

    /// Moves the command of the lanes whose bits are set by a control step.
    #[inline(always)]
    pub(super) fn advance<L: Lanes>(
        &self,
        streams: &CommandStreams,
        state: &mut CommandState,
        at: &Moment<'_>,
        live: u32,
    ) {
        let half = at.half;
        if self.resampling_time_range.is_some() {
            let left = state.time_left.load::<L>(half) - L::constant(at.period);
            state.time_left.store_where(half, L::mask(live), left);
            let due = live & L::bits(left.less(L::splat(TIME_IS_UP_S)));
            if due != 0 {
                self.draw::<L>(streams, state, at, L::mask(due));
            }
        }
        if let CommandTerm::Moving(motion) = &self.term {
            state.target.advance::<L>(at, live, motion, &streams.target);
        }
    }
}
