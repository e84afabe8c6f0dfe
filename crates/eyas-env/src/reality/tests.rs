//! Options replayed from their recordings give the bits of a block's reality.

use eyas_lanes::{BLOCK, Fields, Row, Stream};
use eyas_sim::{Body, Disturbance, State, VEHICLE_NUMBERS, Vehicle};
use eyas_trace::{Draw, Form, Program};

use super::{
    Air, BatteryConfig, Below, Cell, Coefficients, DragConfig, Errors, GroundConfig, GustConfig, Load,
    PayloadConfig, Reality, RealityConfig, RotorFailureConfig, SignalErrors, Strength, THRUST,
    TurbulenceConfig, VEHICLE, WindConfig,
};
use crate::PointConfig;
use crate::episode::Episodes;
use crate::recorded::reality::RealityRecorder;
use crate::recorded::tests::{arranged, normal, numbers, replayed, same};

const SEED: u64 = 23;
const PERIOD: f64 = 0.01;
const STEPS: u32 = 60;

/// The programs of the options that are on.
struct Programs {
    wind: Option<Program>,
    drag: Option<Program>,
    ground: Option<Program>,
    battery: Option<Program>,
    fitted: Option<Program>,
    sensors: Option<Program>,
}

/// A lane's numbers of an option.
fn of<F: Fields>(rows: &F::Of<Row>, lane: usize) -> Vec<f32> {
    numbers::<F, f32>(&F::lane(rows, lane))
}

fn column(rows: &[Row], lane: usize) -> Vec<f32> {
    rows.iter().map(|row| row[lane]).collect()
}

fn flag(holds: bool) -> f32 {
    f32::from(u8::from(holds))
}

/// Vehicles anywhere, that turn, move and are near the ground at times.
fn states(step: u32) -> State<Row> {
    let mut state = State::<Row>::default();
    for (index, row) in state.fields_mut().into_iter().enumerate() {
        (0..BLOCK).for_each(|lane| row[lane] = normal("states", step, lane * 17 + index) as f32);
    }
    for lane in 0..BLOCK {
        let quaternion = state.body.orientation.map(|row| row[lane]);
        let length = quaternion.iter().map(|x| x * x).sum::<f32>().sqrt();
        state.body.orientation.iter_mut().for_each(|row| row[lane] /= length);
        state.rotor_speed.iter_mut().for_each(|row| row[lane] = 12_000.0 + 3_000.0 * row[lane]);
    }
    state
}

/// What happens to the vehicles of a block in some steps is what the programs say. Gives how many numbers were compared.
fn compare(config: &RealityConfig) -> usize {
    let recorder = RealityRecorder { config, period: PERIOD, form: Form::default() };
    let programs = Programs {
        wind: recorder.wind(),
        drag: recorder.drag(),
        ground: recorder.ground(),
        battery: recorder.battery(),
        fitted: recorder.fitted(),
        sensors: recorder.sensors(),
    };
    let mut reality = Reality::new(config, PERIOD, 4, SEED, VEHICLE).unwrap();
    let own = Vehicle::rows([&PointConfig::default().robot; BLOCK]);
    let mut episodes = Episodes::new(64, 0);
    episodes.reset(u32::MAX);
    reality.reset(u32::MAX, &episodes, &states(0).body);
    let mut compared = 0;
    for step in 0..STEPS {
        let state = states(step);
        let action: [Row; 4] = std::array::from_fn(|motor| Row::splat(0.2 * motor as f32 - 0.3));
        let before = Before::of(&reality);
        reality.begin_step(&action, &episodes, &state, &own);
        let measured = reality.sense(&episodes, &state.body);
        for lane in 0..BLOCK {
            let given = Given { lane, state: &state, own: &own, action: &action };
            let words = |draw: &Draw| {
                let place = [64 + lane as u32, 0, step, draw.draw];
                Stream::new(SEED, &draw.purpose).words(place)[usize::from(draw.word)]
            };
            compared += programs.check(&reality, &before, &given, step, words);
            if let Some(program) = &programs.sensors {
                let errors = of::<Errors<()>>(&reality.sensors.as_ref().unwrap().errors, lane);
                let body = of::<Body<()>>(&state.body, lane);
                let inputs = arranged(program, &[("sensors", errors), ("body", body)]);
                let found = program.replay(&inputs, words).numbers("body");
                same("measured", lane, &found, &of::<Body<()>>(measured.as_ref().unwrap(), lane));
                compared += found.len();
            }
        }
        episodes.advance(Row::ZERO, &[], u32::MAX, 0);
    }
    compared
}

/// What steps change.
struct Before {
    air: Option<Air<Row>>,
    battery: Option<Cell<Row>>,
}

impl Before {
    fn of(reality: &Reality) -> Self {
        let Reality { wind, battery, .. } = reality;
        Self { air: wind.as_ref().map(|it| it.rows), battery: battery.as_ref().map(|it| it.rows) }
    }
}

/// What a step begins with.
struct Given<'a> {
    lane: usize,
    state: &'a State<Row>,
    own: &'a [Row; VEHICLE_NUMBERS],
    action: &'a [Row; 4],
}

impl Programs {
    fn check(
        &self,
        reality: &Reality,
        before: &Before,
        given: &Given<'_>,
        step: u32,
        words: impl Fn(&Draw) -> u32 + Copy,
    ) -> usize {
        let Given { lane, state, own, action } = *given;
        let mut compared = 0;
        let mut check = |name: &str, found: &[f32], expected: &[f32]| {
            same(name, lane, found, expected);
            compared += found.len();
        };
        if let Some(program) = &self.fitted {
            let mut groups = vec![("vehicle", column(own, lane))];
            if let Some(it) = &reality.rotors {
                let [failing, onset] = it.words.map(|row| row[lane]);
                groups.push(("rotors", of::<Strength<()>>(&it.rows, lane)));
                let has_failed = |rotor| flag(rotor == failing && step >= onset);
                groups.push(("has_failed", (0..4).map(has_failed).collect()));
            }
            if let Some(it) = &reality.payload {
                groups.push(("payload", of::<Load<()>>(&it.rows, lane)));
                groups.push(("carries", vec![flag(step >= it.words[0][lane])]));
            }
            let replay = replayed(program, &groups);
            check("fitted", &replay.numbers("vehicle"), &column(&*reality.fitted, lane));
            check("centre", &replay.numbers("centre"), &column(&reality.centre, lane));
        }
        let mut velocity = vec![0.0; 3];
        if let (Some(program), Some(air), Some(wind)) = (&self.wind, &before.air, &reality.wind) {
            let replay = program.replay(&of::<Air<()>>(air, lane), words);
            velocity = replay.numbers("velocity");
            check("air", &replay.numbers("air"), &of::<Air<()>>(&wind.rows, lane));
        }
        if let (Some(program), Some(drag)) = (&self.drag, &reality.drag) {
            let vehicle = Vehicle::<f32>::from_numbers(&reality.fitted.map(|row| row[lane]));
            let replay = replayed(
                program,
                &[
                    ("drag", of::<Coefficients<()>>(&drag.rows, lane)),
                    ("mass_inverse", vec![vehicle.mass_inverse]),
                    ("centre", column(&reality.centre, lane)),
                    ("orientation", column(&state.body.orientation, lane)),
                    ("velocity", column(&state.body.velocity, lane)),
                    ("wind", velocity),
                ],
            );
            let Disturbance { force_world, torque_body } = &reality.flown.disturbance;
            check("force", &replay.numbers("force"), &column(force_world, lane));
            check("torque", &replay.numbers("torque"), &column(torque_body, lane));
        }
        if let (Some(program), Some(ground)) = (&self.ground, &reality.ground) {
            let height = vec![state.body.position[2][lane]];
            let below = of::<Below<()>>(&ground.rows, lane);
            let replay = replayed(program, &[("ground", below), ("height", height)]);
            let [lift] = replay.numbers("lift")[..] else { panic!("one number") };
            for place in THRUST.into_iter().flat_map(|start| start..start + 3) {
                check("thrust", &[lift * reality.fitted[place][lane]], &[reality.flown.vehicle[place][lane]]);
            }
        }
        if let (Some(program), Some(charge), Some(battery)) =
            (&self.battery, &before.battery, &reality.battery)
        {
            let replay = replayed(
                program,
                &[
                    ("battery", of::<Cell<()>>(charge, lane)),
                    ("vehicle", column(own, lane)),
                    ("rotor_speed", column(&state.rotor_speed, lane)),
                    ("action", column(action, lane)),
                ],
            );
            check("voltage", &replay.numbers("voltage"), &[reality.flown.voltage[lane]]);
            check("battery", &replay.numbers("battery"), &of::<Cell<()>>(&battery.rows, lane));
            check("told", &replay.numbers("action"), &column(&reality.told, lane));
        }
        compared
    }
}

#[test]
fn each_option_replays_to_the_bit() {
    let options: [fn(&mut RealityConfig); 8] = [
        |it| {
            it.noise = SignalErrors { position_m: [0.0, 0.1], attitude_rad: [0.0, 0.1], ..it.noise.clone() };
        },
        |it| it.bias = SignalErrors { velocity_m_s: [0.0, 0.1], ..SignalErrors::default() },
        |it| {
            it.drag = DragConfig {
                linear_x_n_s_m: [0.01, 0.5],
                linear_z_n_s_m: [0.01, 3.0],
                quadratic_n_s2_m2: [0.001, 0.002],
                ..DragConfig::default()
            };
        },
        |it| {
            it.drag.linear_y_n_s_m = [0.01, 0.02];
            it.wind = WindConfig {
                mean_m_s: [0.0, 2.0],
                turbulence: TurbulenceConfig { std_m_s: [0.5, 1.0], ..TurbulenceConfig::default() },
                gust: GustConfig { amplitude_m_s: [1.0, 3.0], duration_s: [0.1, 0.2], rate_hz: [5.0, 9.0] },
                ..WindConfig::default()
            };
        },
        |it| it.ground = GroundConfig { rotor_radius_m: [0.02, 0.03], below_spawn_m: [-0.5, 0.5] },
        |it| {
            it.battery = BatteryConfig { hover_endurance_s: [1.0, 60.0], ..BatteryConfig::default() };
        },
        |it| {
            it.rotor_efficiency = [0.8, 1.0];
            it.rotor_failure =
                RotorFailureConfig { probability: 0.7, onset_s: [0.1, 0.5], efficiency: [0.0, 0.9] };
        },
        |it| {
            it.payload = PayloadConfig {
                mass_kg: [0.0, 0.01],
                offset_x_m: [-0.01, 0.01],
                offset_z_m: [-0.05, 0.0],
                attach_s: [0.0, 0.4],
                ..PayloadConfig::default()
            };
        },
    ];
    let mut all = RealityConfig::default();
    for option in options {
        let mut alone = RealityConfig::default();
        option(&mut alone);
        option(&mut all);
        alone.validate().unwrap();
        assert!(compare(&alone) >= BLOCK * STEPS as usize, "{alone:?}");
    }
    all.validate().unwrap();
    let recorder = RealityRecorder { config: &all, period: PERIOD, form: Form::default() };
    assert_eq!(recorder.formulas().len(), 6);
    compare(&all);
}
