//! The equations of motion alone, for many vehicles.

use eyas_lanes::{BLOCK, Kernel, Lanes, Row, VECTORS, dispatch};
use eyas_sim::{Disturbance, State, VEHICLE_NUMBERS, Vehicle, step_lagged};
use eyas_vehicles::FleetVehicle;

/// Vehicles of a fleet in flight, each with its own parameters.
pub(super) struct Swarm {
    blocks: Vec<Block>,
    /// Whether every vehicle is [aligned](eyas_sim::VehicleParameters::is_aligned).
    aligned: bool,
}

struct Block {
    vehicle: Box<[Row; VEHICLE_NUMBERS]>,
    start: State<Row>,
    /// Where the last flight ended.
    end: State<Row>,
}

impl Swarm {
    /// All at rest, rotors at 70 % of their range.
    pub(super) fn new(fleet: &[FleetVehicle]) -> Self {
        let block = |vehicles: &[FleetVehicle]| {
            let mut start = State::from_fields([Row::ZERO; 17]);
            start.body.orientation[0] = Row::splat(1.0);
            for (lane, vehicle) in vehicles.iter().enumerate() {
                let limit = &vehicle.dynamics.action_limit;
                for speed in &mut start.rotor_speed {
                    speed[lane] = (limit.min + 0.7 * (limit.max - limit.min)) as f32;
                }
            }
            Block { vehicle: Vehicle::rows(vehicles.iter().map(|it| &it.dynamics)), end: start, start }
        };
        Self {
            blocks: fleet.chunks(BLOCK).map(block).collect(),
            aligned: fleet.iter().all(|it| it.dynamics.is_aligned()),
        }
    }

    /// Flies all of them from the start for some steps of 10 ms with constant set-points; returns the steps flown.
    pub(super) fn fly(&mut self, steps: u32) -> usize {
        let blocks = &mut self.blocks;
        if self.aligned {
            dispatch(Fly::<true> { blocks, steps });
        } else {
            dispatch(Fly::<false> { blocks, steps });
        }
        self.blocks.len() * BLOCK * steps as usize
    }
}

struct Fly<'a, const ALIGNED: bool> {
    blocks: &'a mut [Block],
    steps: u32,
}

impl<const ALIGNED: bool> Kernel for Fly<'_, ALIGNED> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for block in self.blocks {
            for vector in 0..VECTORS {
                let vehicle = Vehicle::<L, ALIGNED>::load(&block.vehicle, vector);
                let set_point = block.start.rotor_speed.each_ref().map(|row| row.load(vector));
                let mut state = block.start.load(vector);
                for _ in 0..self.steps {
                    state = step_lagged(&vehicle, &state, &set_point, &Disturbance::none(), 0.01, 1);
                }
                block.end.store(vector, &state);
            }
        }
    }
}
