//! What a policy flies, for viewers: one episode after the other.

use eyas_env::Step;
use eyas_lanes::{BLOCK, Row, lanes_of};
use eyas_learn::{Actor, AnyBlock, Engine, Next, NotFinite, OnNan, Rollout, Steering};
use eyas_policy::Inference;
use eyas_view::Flight;

/// Flies a policy in every env for `steps` control steps; a new episode follows each that ends.
pub(crate) fn shoot(engine: &mut dyn Engine, actor: &Actor, steps: u32) -> Result<Vec<Flight>, NotFinite> {
    // A picture ends no run.
    engine.set_on_nan(OnNan::Reset);
    let new = || Filmed {
        steering: Steering::new(actor),
        left: steps,
        used: 0,
        clocks: [(0, 0); BLOCK],
        flights: vec![Flight::new(1.0 / engine.spec().control_rate_hz); BLOCK],
    };
    let mut filmed: Vec<Filmed> = (0..engine.num_blocks()).map(|_| new()).collect();
    engine.fly_all(&mut filmed)?;
    Ok(filmed.into_iter().flat_map(|it| it.flights).take(engine.num_envs()).collect())
}

struct Filmed<'a> {
    steering: Steering<'a>,
    /// Steps that are still to fly.
    left: u32,
    used: u32,
    /// Episode and step of each lane.
    clocks: [(u32, u32); BLOCK],
    flights: Vec<Flight>,
}

impl Rollout for Filmed<'_> {
    fn begin(&mut self, block: &mut AnyBlock, used: u32) -> bool {
        block.reset(u32::MAX);
        self.used = used;
        self.left > 0
    }

    fn act(&mut self, block: &AnyBlock, observation: &mut [Row], action: &mut [Row]) {
        self.steering.act(block, observation, action);
    }

    fn record(
        &mut self,
        block: &mut AnyBlock,
        _observation: &mut [Row],
        action: &[Row],
        step: &Step,
    ) -> Next {
        let ended = block.ended();
        for lane in lanes_of(self.used) {
            let clock = &mut self.clocks[lane];
            clock.1 += 1;
            let memory: Vec<f32> = self.steering.state.iter().map(|row| row[lane]).collect();
            let moment = (clock.0, clock.1, step.terminated >> lane & 1 == 1);
            self.flights[lane].push_env(block, lane, action, &memory, moment);
            if ended >> lane & 1 == 1 {
                *clock = (clock.0 + 1, 0);
            }
        }
        Inference::forget(&mut self.steering.state, ended);
        self.left -= 1;
        Next { reset: ended, is_last: self.left == 0 }
    }
}
