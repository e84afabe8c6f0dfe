//! Steps a second of the dynamics alone on one thread: one Runge–Kutta step of vehicles with parameters of
//! their own, in blocks of 32.

use divan::Bencher;
use divan::counter::ItemsCount;
use eyas_lanes::{BLOCK, Kernel, Lanes, Row, VECTORS, dispatch};
use eyas_sim::{ActionLimit, Disturbance, State, VEHICLE_NUMBERS, Vehicle, VehicleParameters, step_lagged};

fn main() {
    divan::main();
}

/// A Crazyflie as RLtools describes it, heavier by `share`.
fn crazyflie(share: f64) -> VehicleParameters {
    let arm = 0.028;
    VehicleParameters {
        rotor_positions: [[arm, -arm, 0.0], [-arm, -arm, 0.0], [-arm, arm, 0.0], [arm, arm, 0.0]],
        rotor_thrust_directions: [[0.0, 0.0, 1.0]; 4],
        rotor_torque_directions: [[0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0]],
        rotor_thrust_coefficients: [[0.0, 0.0, 3.16e-10]; 4],
        rotor_torque_constants: [0.005_96; 4],
        rotor_time_constants_rising: [0.07; 4],
        rotor_time_constants_falling: [0.07; 4],
        mass: 0.027 * (1.0 + share),
        gravity: [0.0, 0.0, -9.81],
        inertia: [[3.85e-6, 0.0, 0.0], [0.0, 3.85e-6, 0.0], [0.0, 0.0, 5.9675e-6]],
        inertia_inverse: [[1.0 / 3.85e-6, 0.0, 0.0], [0.0, 1.0 / 3.85e-6, 0.0], [0.0, 0.0, 1.0 / 5.9675e-6]],
        hovering_throttle_relative: 0.667,
        action_limit: ActionLimit { min: 0.0, max: 21_702.0 },
    }
}

struct Block {
    vehicle: Box<[Row; VEHICLE_NUMBERS]>,
    state: State<Row>,
}

impl Block {
    fn new(first: usize) -> Self {
        let share = |lane: usize| ((first + lane) % 97) as f64 * 0.01;
        let vehicles: Vec<VehicleParameters> = (0..BLOCK).map(|lane| crazyflie(share(lane))).collect();
        let vehicle = Vehicle::rows(&vehicles);
        let mut state = State::from_fields([Row::ZERO; 17]);
        state.body.orientation[0] = Row::splat(1.0);
        state.body.angular_velocity[0] = Row::splat(0.5);
        Self { vehicle, state }
    }
}

struct Step<'a>(&'a mut Block);

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Block { vehicle, state } = self.0;
        for vector in 0..VECTORS {
            let vehicle = Vehicle::<L, true>::load(vehicle, vector);
            let before = state.load::<L>(vector);
            let set_point = [L::splat(14_475.0); 4];
            let after = step_lagged(&vehicle, &before, &set_point, &Disturbance::none(), 0.01, 1);
            state.store(vector, &after);
        }
    }
}

#[divan::bench(args = [32, 4096])]
fn runge_kutta_step(bencher: Bencher, vehicles: usize) {
    let mut blocks: Vec<Block> = (0..vehicles).step_by(BLOCK).map(Block::new).collect();
    bencher.counter(ItemsCount::new(vehicles)).bench_local(|| {
        for block in &mut blocks {
            dispatch(Step(block));
        }
    });
}
