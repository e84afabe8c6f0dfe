//! Public behaviour of the command line; each module is named after what it promises.

#![expect(clippy::disallowed_methods, reason = "made-up numbers may differ in the last bit")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod acts_as_the_library;
mod analyses;
mod any_quadrotor;
#[cfg(unix)]
mod benches;
mod cases;
mod configures;
mod converts;
mod dashboards;
mod distils;
mod diverges;
mod explains_itself;
mod films;
mod first_minutes;
mod fleets;
mod flies;
mod formations;
mod goes_on;
mod inspects_every_layout;
mod live;
mod multiruns;
mod plots;
mod program;
mod python_reads_it;
mod quadcopter;
mod refuses_bad_input;
mod repeats_itself;
mod replays_dynamics;
mod reports;
mod resting_errors;
mod speaks;
mod tasks_of_terms;
mod tortures;
mod trains;
mod vehicles;
