//! The live view of a command: what it shows, and what its viewers do.

mod controls;
mod files;
mod flyer;
mod play;
mod run;

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;

use eyas::Failure;
use eyas::tasks::AnyTask;
use eyas::video::{motor_names, vehicle_name};
use eyas_env::EnvSpec;
use eyas_web::{LiveView, Request, Scene, Vehicle};

pub(crate) use self::files::RunFiles;
pub(crate) use self::play::{Stage, play};
pub(crate) use self::run::LiveRun;
use crate::print::say;

/// Most vehicles that fly in a live view: 20 MB of poses a second.
const MOST_ENVS: usize = 10_000;

/// Opens the live view at an address and says where it is.
pub(crate) fn open(address: SocketAddr) -> Result<(LiveView, Receiver<Request>), Failure> {
    let (view, requests) = LiveView::start(address).map_err(|error| {
        Failure::new(format!("cannot listen at {address}: {error}"))
            .hint("another program may: give `--web` another port, or port 0 for a free one")
    })?;
    say(format!("[INFO] Live view: http://{}", view.address()))?;
    if !view.address().ip().is_loopback() {
        say("[WARNING] Whoever reaches this machine can see the live view and use its controls")?;
    }
    Ok((view, requests))
}

/// Opens the live view of a run, from which nothing can be asked, if there shall be one.
pub(crate) fn open_for_run(address: Option<SocketAddr>) -> Result<Option<LiveView>, Failure> {
    Ok(address.map(open).transpose()?.map(|(view, _)| view))
}

/// Refuses more envs than a page shows.
pub(crate) fn check_num_envs(num_envs: usize) -> Result<(), Failure> {
    if (1..=MOST_ENVS).contains(&num_envs) {
        return Ok(());
    }
    Err(Failure::new(format!("{num_envs} envs in a live view, expected 1 to {MOST_ENVS}"))
        .hint("give `--num_envs` another number"))
}

/// A scene of a task's vehicle, without controls.
pub(crate) fn scene(activity: &str, step_unit: &str, env: &dyn AnyTask, num_envs: usize) -> Scene {
    let made = env.make(1, 0);
    let num_vehicles = made.num_vehicles();
    let spec = made.spec().clone();
    Scene {
        activity: activity.into(),
        task: env.id().into(),
        step_unit: step_unit.into(),
        vehicle: Some(Vehicle { num_vehicles, ..vehicle(env, &spec, num_envs) }),
        ..Scene::default()
    }
}

fn vehicle(env: &dyn AnyTask, spec: &EnvSpec, num_envs: usize) -> Vehicle {
    let it = env.vehicle();
    let single = |vectors: [[f64; 3]; 4]| vectors.map(|vector| vector.map(|number| number as f32));
    Vehicle {
        name: vehicle_name(env),
        rotor_positions: single(it.rotor_positions),
        rotor_axes: single(it.rotor_thrust_directions),
        rotor_names: motor_names(spec),
        num_envs,
        num_vehicles: 1,
    }
}
