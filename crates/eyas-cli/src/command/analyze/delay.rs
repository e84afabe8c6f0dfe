//! `eyas analyze delay`: a late velocity under weaker and stronger rotors, as RLtools' `linear_velocity_delay.cpp`.

use std::fmt::Write as _;
use std::process::ExitCode;

use eyas_env::RaptorConfig;
use eyas_learn::{Actor, Evaluation, NotFinite, Outcome, vertical_speeds};
use eyas_run::config::Value;
use eyas_vehicles::FleetVehicle;
use eyas_view::Heatmap;
use rayon::prelude::*;

use super::{AnalysisSetup, prepare, write};
use crate::arguments::Delay;
use crate::print::say;
use eyas::Failure;
use eyas::tasks::AnyTask;
use eyas::teachers::parse_ids;

pub(super) fn run(arguments: &Delay) -> Result<ExitCode, Failure> {
    let Delay { analysis, episodes, policy, t2w, .. } = arguments;
    // Under a reference that rests, all vertical velocity is oscillation.
    let own = [("env.prob_null_trajectory", Value::from(1.0))];
    let Some(setting) = AnalysisSetup::new(analysis, &own, *episodes)? else { return Ok(ExitCode::SUCCESS) };
    if setting.env.observation_delay.linear_velocity != 0 {
        return Err(Failure::new("`env.observation_delay.linear_velocity` is what this analysis varies")
            .hint("give `--delays` instead"));
    }
    let envs = parse_ids("--delays", &arguments.delays)?
        .into_iter()
        .map(|delay| {
            let mut env = setting.env.clone();
            env.observation_delay.linear_velocity = u32::try_from(delay).unwrap_or(u32::MAX);
            env.validate().map_err(|message| Failure::new(message).at(&"--delays"))?;
            Ok(env)
        })
        .collect::<Result<Vec<RaptorConfig>, Failure>>()?;
    let actor = setting.actor(policy, std::slice::from_ref(&setting.env.robot))?;
    prepare(&analysis.out)?;

    let vehicle = setting.env.fleet_vehicle();
    let scaled = |ratio: &f64| FleetVehicle {
        dynamics: vehicle.dynamics.with_thrust_to_weight(*ratio),
        ..vehicle.clone()
    };
    let fleet: Vec<FleetVehicle> = t2w.0.iter().map(scaled).collect();
    let columns = envs
        .par_iter()
        .map(|env| fly(env, &fleet, &actor, *episodes, &setting))
        .collect::<Vec<Result<Vec<Cell>, NotFinite>>>();
    let columns = columns.into_iter().zip(&envs).map(|(flown, env)| {
        let flight = format!("the flight with a delay of {} steps", env.observation_delay.linear_velocity);
        flown.map_err(|error| setting.not_finite(error, &flight, &analysis.out))
    });
    let columns = columns.collect::<Result<Vec<Vec<Cell>>, Failure>>()?;

    let mut table = String::from(
        "thrust_to_weight,delay_steps,delay_s,return_mean,share_terminated,vertical_velocity_rms_m_s\n",
    );
    for (row, ratio) in t2w.0.iter().enumerate() {
        for (env, column) in envs.iter().zip(&columns) {
            let (delay, cell) = (env.observation_delay.linear_velocity, &column[row]);
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "{ratio},{delay},{},{},{},{}",
                f64::from(delay) * env.sim.dt,
                cell.mean_return,
                cell.share_terminated,
                cell.rms.map_or_else(String::new, |it| it.to_string())
            );
        }
    }
    write(&analysis.out, "delay", &table, &plot(&t2w.0, &envs, &columns))?;
    say(summary(&t2w.0, &envs, &columns).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// One thrust-to-weight ratio under one delay.
struct Cell {
    mean_return: f64,
    /// In `[0, 1]`.
    share_terminated: f64,
    /// Root mean square of the vertical velocity in the second half of the episodes, m/s; none: no episode reached it.
    rms: Option<f64>,
}

/// Flies all vehicles under one delay; the starts are the same under all.
fn fly(
    env: &RaptorConfig,
    fleet: &[FleetVehicle],
    actor: &Actor,
    episodes: usize,
    setting: &AnalysisSetup,
) -> Result<Vec<Cell>, NotFinite> {
    let vehicles: Vec<usize> =
        (0..fleet.len()).flat_map(|index| std::iter::repeat_n(index, episodes)).collect();
    let mut engine = AnyTask::make_fleet(env, fleet, &vehicles, setting.seed);
    let (evaluation, speeds) = vertical_speeds(engine.as_mut(), actor, setting.steps)?;
    let cell = |(outcomes, speeds): (&[Outcome], &[(f64, u32)])| {
        let own = Evaluation::unlabelled(outcomes.to_vec()).summary();
        let (sum, count) = speeds.iter().fold((0.0, 0), |all, it| (all.0 + it.0, all.1 + it.1));
        let rms = (count > 0).then(|| (sum / f64::from(count)).sqrt());
        Cell { mean_return: own.mean_return, share_terminated: own.crash_rate, rms }
    };
    Ok(evaluation.outcomes.chunks(episodes).zip(speeds.chunks(episodes)).map(cell).collect())
}

/// The strongest rotors on top.
fn plot(ratios: &[f64], envs: &[RaptorConfig], columns: &[Vec<Cell>]) -> Vec<u8> {
    let rows: Vec<String> = ratios.iter().rev().map(|it| format!("{it:.2}")).collect();
    let names: Vec<String> =
        envs.iter().map(|env| env.observation_delay.linear_velocity.to_string()).collect();
    let values: Vec<f64> = (0..ratios.len())
        .rev()
        .flat_map(|row| columns.iter().map(move |column| column[row].rms.unwrap_or(f64::NAN)))
        .collect();
    Heatmap::new(
        "Oscillation under a late velocity (–: no flight reached its second half)",
        &rows,
        &names,
        &values,
    )
    .x("delay of the linear velocity", "control steps")
    .y("thrust-to-weight ratio", "")
    .value("RMS of the vertical velocity", "m/s")
    .png()
}

/// What each ratio comes to at the least and the largest delay, and up to which delay every flight lasts.
fn summary(ratios: &[f64], envs: &[RaptorConfig], columns: &[Vec<Cell>]) -> String {
    let delays: Vec<u32> = envs.iter().map(|env| env.observation_delay.linear_velocity).collect();
    let (first, last) = (delays[0], delays[delays.len() - 1]);
    let mut text = format!(
        "{:<14} {:>14} {:>14} {:>22}\n",
        "thrust/weight",
        format!("return at {first}"),
        format!("return at {last}"),
        "every flight lasts to"
    );
    for (row, ratio) in ratios.iter().enumerate() {
        let lasting = columns.iter().take_while(|column| column[row].share_terminated == 0.0).count();
        let limit = lasting.checked_sub(1).map_or_else(|| "–".to_owned(), |it| delays[it].to_string());
        let _ = writeln!(
            text,
            "{ratio:<14} {:>14.1} {:>14.1} {limit:>22}",
            columns[0][row].mean_return,
            columns[columns.len() - 1][row].mean_return
        );
    }
    text
}
