//! `eyas analyze probe`: what a recurrent student has found out about its vehicle, after RLtools' `analyze.py`.

use std::fmt::Write as _;
use std::process::ExitCode;

use eyas_lanes::Stream;
use eyas_learn::{LinearProbe, Quantity, final_states, quantities, score};
use eyas_vehicles::FleetVehicle;

use crate::flags::read_fleet;
use eyas_view::Chart;

use super::{AnalysisSetup, prepare, write};
use crate::arguments::Probe;
use crate::print::say;
use eyas::Failure;
use eyas::teachers::{envs_of, vehicles_of};

pub(super) fn run(arguments: &Probe) -> Result<ExitCode, Failure> {
    let Probe { analysis, episodes, ridge, policy, .. } = arguments;
    let Some(setting) = AnalysisSetup::new(analysis, &[], *episodes)? else { return Ok(ExitCode::SUCCESS) };
    if !(*ridge >= 0.0 && ridge.is_finite()) {
        return Err(Failure::new(format!("`--ridge` is {ridge}, expected a number of at least 0")));
    }
    let fleet = read_fleet(&arguments.vehicles)?;
    if fleet.len() < 4 {
        return Err(Failure::new(format!(
            "{} vehicles, expected at least 4: two for each half",
            fleet.len()
        ))
        .at(&arguments.vehicles.display())
        .hint("`eyas vehicles sample --num 1000 --out fleet` draws a fleet"));
    }
    let actor = setting.actor(policy, &vehicles_of(&setting.env, &fleet))?;
    let width = actor.inference.state_width();
    if width == 0 {
        return Err(Failure::new("the policy has no memory to read, expected a recurrent one (GRU or LSTM)")
            .at(&policy.checkpoint.display())
            .hint("`eyas distill --student gru` makes one"));
    }
    prepare(&analysis.out)?;

    let mut env = envs_of(&setting.env, &fleet, fleet.len() * episodes, setting.seed);
    let (_, states) = final_states(env.as_mut(), &actor, setting.steps)
        .map_err(|error| setting.not_finite(error, "the flight", &analysis.out))?;
    let halves = Halves::new(&fleet, &states, setting.seed);
    let [train, test] = [&halves.train, &halves.test].map(Vec::len);
    if train <= width || test < 2 {
        return Err(Failure::new(format!(
            "{train} and {test} episodes of the two halves of the fleet lasted {} steps, expected more than {width} \
             and at least 2",
            setting.steps
        ))
        .hint("fly more vehicles, more `--episodes`, or fewer `--steps`"));
    }
    let mut table = String::from("quantity,r_squared,mse,train_episodes,test_episodes\n");
    let mut text = format!("{:<32} {:>8} {:>12}\n", "quantity", "R²", "MSE");
    let mut shown = Vec::new();
    for quantity in quantities() {
        let (predictions, targets) = halves.read(&quantity, *ridge)?;
        let [r_squared, mse] = score(&predictions, &targets);
        let name = quantity.name;
        // Writing to a string does not fail.
        let _ = writeln!(table, "{name},{r_squared},{mse},{train},{test}");
        let _ = writeln!(text, "{name:<32} {r_squared:>8.3} {mse:>12.3e}");
        if shown.is_empty() {
            shown = targets.into_iter().zip(predictions).map(|(x, y)| [x, y]).collect();
        }
    }
    write(&analysis.out, "probe", &table, &plot(&shown))?;
    say(text.trim_end())?;
    say(format!("lasted: {train} episodes to fit, {test} of other vehicles to test"))?;
    Ok(ExitCode::SUCCESS)
}

/// What a sample is: the memory at the end of an episode that lasted, and its vehicle.
type Sample<'a> = (&'a [f64], &'a FleetVehicle);

/// Samples of one half of the vehicles, drawn at random, and of the other.
struct Halves<'a> {
    train: Vec<Sample<'a>>,
    test: Vec<Sample<'a>>,
}

impl<'a> Halves<'a> {
    /// Of states whose envs fly the vehicles in turns.
    fn new(fleet: &'a [FleetVehicle], states: &'a [Option<Vec<f64>>], seed: u64) -> Self {
        let order = Stream::new(seed, "analysis/split").permutation(fleet.len(), fleet.len() / 2, 0, 0);
        let mut is_train = vec![false; fleet.len()];
        for vehicle in order {
            is_train[vehicle as usize] = true;
        }
        let mut halves = Self { train: Vec::new(), test: Vec::new() };
        for (index, state) in states.iter().enumerate() {
            let vehicle = index % fleet.len();
            let half = if is_train[vehicle] { &mut halves.train } else { &mut halves.test };
            half.extend(state.as_deref().map(|state| (state, &fleet[vehicle])));
        }
        halves
    }

    /// Predictions and true values of the test half.
    fn read(&self, quantity: &Quantity, ridge: f64) -> Result<(Vec<f64>, Vec<f64>), Failure> {
        let values =
            |half: &[Sample]| half.iter().map(|(_, vehicle)| (quantity.of)(vehicle)).collect::<Vec<_>>();
        let features: Vec<f64> = self.train.iter().flat_map(|(state, _)| state.iter().copied()).collect();
        let probe = LinearProbe::fit(&features, &values(&self.train), ridge)
            .map_err(|error| Failure::new(error).hint("give `--ridge 1e-6`"))?;
        Ok((self.test.iter().map(|(state, _)| probe.predict(state)).collect(), values(&self.test)))
    }
}

fn plot(points: &[[f64; 2]]) -> Vec<u8> {
    let ends = points.iter().map(|point| point[0]);
    let (low, high) = (ends.clone().fold(f64::INFINITY, f64::min), ends.fold(f64::NEG_INFINITY, f64::max));
    Chart::new("Thrust-to-weight ratio read off the student's memory")
        .size(1000, 800)
        .x("true thrust-to-weight ratio", "")
        .y("predicted", "")
        .points("episodes of vehicles that the probe has not seen", points)
        .line("identity", &[[low, low], [high, high]])
        .png()
}
