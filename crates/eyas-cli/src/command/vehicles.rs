//! `eyas vehicles`: those that come with the program, parameter files and fleets.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use eyas_run::{Layers, Origin};
use eyas_vehicles::{
    FleetVehicle, SamplerConfig, VehicleFile, find_vehicle, fits_a_table, fleet_to_csv, fleet_to_json,
    reordered, sample_fleet, survey_fleet, vehicles,
};
use flate2::{Compression, write::GzEncoder};

use crate::arguments::{Sample, Vehicles, VehiclesCommand};
use crate::configuration;
use crate::print::tell;
use eyas::Failure;
use eyas::configuration::read_vehicle;
use eyas::run_files::write_file;
use eyas::trained_on::motor_warning;

/// Most vehicles of a fleet that is drawn: they are held in memory, and each is a file.
const MOST_VEHICLES: usize = 1_000_000;

pub(crate) fn run(arguments: &Vehicles) -> Result<ExitCode, Failure> {
    match &arguments.command {
        VehiclesCommand::List => list(),
        VehiclesCommand::Show { vehicle, json } => show(vehicle, *json),
        VehiclesCommand::Sample(arguments) => sample(arguments),
        VehiclesCommand::Convert { from, to, motor_order, force } => {
            let order = motor_order.as_deref().map(parse_order).transpose()?;
            convert(from, to, order, *force)
        }
        VehiclesCommand::Check { path } => {
            let fleet = read_all(path)?;
            for it in &fleet {
                if let Some(warning) = motor_warning(&it.id, &it.dynamics, Some(path)) {
                    tell(format!("warning: {warning}"));
                }
            }
            writeln!(std::io::stdout().lock(), "{} can be flown", count(fleet.len()))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn sample(arguments: &Sample) -> Result<ExitCode, Failure> {
    let mut layers = Layers::documented(&SamplerConfig::default())?;
    configuration::layer(&mut layers, &arguments.configuration, &arguments.overrides)?;
    if let Some(protocol) = &arguments.protocol {
        layers.set("protocol", protocol.clone(), Origin::flag("--protocol"))?;
    }
    if configuration::show(&layers, &arguments.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let config: SamplerConfig = layers.finish()?;
    config.validate().map_err(Failure::new)?;
    if !(1..=MOST_VEHICLES).contains(&arguments.num) {
        let message = format!("`--num` is {}, expected 1 to {MOST_VEHICLES}", arguments.num);
        return Err(Failure::new(message));
    }
    let fleet = sample_fleet(&config, arguments.num, arguments.seed);
    let table = fleet_to_csv(&fleet).map_err(Failure::new)?;
    write_directory(&arguments.out, &fleet, arguments.force)?;
    write_file(&arguments.out.join("vehicles.csv"), table.as_bytes())?;
    tell(format!("{} vehicles in {}", arguments.num, arguments.out.display()));
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<12} {:>9} {:>13} {:>8} {:>9} {:>9}  source",
        "name", "mass [kg]", "thrust/weight", "arm [m]", "up [s]", "down [s]"
    )?;
    for vehicle in vehicles() {
        let it = vehicle.parameters();
        writeln!(
            out,
            "{:<12} {:>9} {:>13} {:>8} {:>9} {:>9}  {}",
            vehicle.name,
            digits(it.mass, 4),
            digits(it.thrust_to_weight(), 4),
            digits(it.rotor_distance(), 4),
            digits(it.rotor_time_constants_rising[0], 4),
            digits(it.rotor_time_constants_falling[0], 4),
            vehicle.source
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(vehicle: &str, json: bool) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    let named = find_vehicle(vehicle);
    let file = match named {
        Some(named) => VehicleFile::from(&named.fleet_vehicle()),
        None => read_vehicle(Path::new(vehicle))?,
    };
    for warning in file.warnings() {
        tell(format!("warning: {warning}"));
    }
    if json {
        out.write_all(file.to_json().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let flown = file.fleet_vehicle(vehicle);
    let it = &flown.dynamics;
    writeln!(out, "{vehicle}{}\n", named.map(|it| format!(": {}", it.source)).unwrap_or_default())?;
    let surplus = it.weight() * (it.thrust_to_weight() - 1.0);
    let limit = |value: Option<f64>, distances: f64| value.unwrap_or(distances * it.rotor_distance());
    for (name, value, unit) in [
        ("mass", Some(it.mass), "kg"),
        ("weight", Some(it.weight()), "N"),
        ("full thrust over weight", Some(it.thrust_to_weight()), ""),
        ("throttle that hovers", it.hovering_throttle(), ""),
        ("largest rotor distance", Some(it.rotor_distance()), "m"),
        ("inertia about x", Some(it.inertia[0][0]), "kg m²"),
        ("inertia about y", Some(it.inertia[1][1]), "kg m²"),
        ("inertia about z", Some(it.inertia[2][2]), "kg m²"),
        ("torque over inertia", Some(it.torque_to_inertia()), "rad/s²"),
        ("rotor time constant, up", Some(it.rotor_time_constants_rising[0]), "s"),
        ("rotor time constant, down", Some(it.rotor_time_constants_falling[0]), "s"),
        ("reaction torque over thrust", Some(it.rotor_torque_constants[0]), "m"),
        ("deviation of the force", Some(flown.random_force_std), "N"),
        ("  over surplus thrust", Some(flown.random_force_std / surplus), ""),
        ("limit of the start", Some(limit(flown.max_position, 10.0)), "m"),
        ("limit of the position", Some(limit(flown.position_threshold, 20.0)), "m"),
    ] {
        let value = value.map_or_else(|| "none".into(), |it| digits(it, 6));
        writeln!(out, "{}", format!("{name:<28} {value:>12} {unit}").trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Rotors counted from 1, each once.
fn parse_order(text: &str) -> Result<[usize; 4], Failure> {
    let rotors: Option<Vec<usize>> =
        text.split(',').map(|it| it.trim().parse::<usize>().ok()?.checked_sub(1)).collect();
    let order = rotors.and_then(|it| <[usize; 4]>::try_from(it).ok());
    let is_permutation = |order: &[usize; 4]| (0..4).all(|rotor| order.contains(&rotor));
    order.filter(is_permutation).ok_or_else(|| {
        Failure::new(format!("`--motor_order {text}`, expected each of 1, 2, 3 and 4 once, such as 1,4,2,3"))
    })
}

fn convert(from: &Path, to: &Path, order: Option<[usize; 4]>, force: bool) -> Result<ExitCode, Failure> {
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let extension = to.extension().map(|it| it.to_string_lossy().into_owned());
    let form = match extension.as_deref() {
        None => Form::Directory,
        Some(_) if to.is_dir() => Form::Directory,
        Some("csv") => Form::Table,
        Some("json") => Form::List,
        Some("gz") if to.with_extension("").extension().is_some_and(|it| it == "json") => Form::PackedList,
        Some(_) => {
            return Err(Failure::new(format!("cannot write a fleet as `{name}`"))
                .at(&to.display())
                .hint("give a directory, or a file that ends in .csv, .json or .json.gz"));
        }
    };
    let mut fleet = read_all(from)?;
    if let Some(order) = order {
        for vehicle in &mut fleet {
            vehicle.dynamics = reordered(&vehicle.dynamics, &order);
        }
    }
    if form != Form::Directory && to.exists() && !force {
        return Err(Failure::new("the file is there already")
            .at(&to.display())
            .hint("`--force` replaces it"));
    }
    match form {
        Form::Directory => write_directory(to, &fleet, force)?,
        Form::Table => {
            let poorer = fleet.iter().filter(|it| !fits_a_table(it)).count();
            if poorer > 0 {
                tell(format!(
                    "warning: a table does not say all of {poorer} of {}: it has no rotor layout, thrust curve, force \
                     and limits",
                    count(fleet.len())
                ));
            }
            write_file(to, fleet_to_csv(&fleet).map_err(Failure::new)?.as_bytes())?;
        }
        Form::List => write_file(to, fleet_to_json(&fleet).as_bytes())?,
        Form::PackedList => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(fleet_to_json(&fleet).as_bytes())?;
            write_file(to, &encoder.finish()?)?;
        }
    }
    tell(format!("{} in {}", count(fleet.len()), to.display()));
    Ok(ExitCode::SUCCESS)
}

/// What a fleet is written as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Directory,
    Table,
    List,
    PackedList,
}

/// Reads a fleet; prints what is not heeded, and fails with every problem.
fn read_all(path: &Path) -> Result<Vec<FleetVehicle>, Failure> {
    let survey = survey_fleet(path);
    for warning in &survey.warnings {
        tell(format!("warning: {warning}"));
    }
    let problems: Vec<_> = survey.problems.iter().map(ToString::to_string).collect();
    match problems.len() {
        0 => Ok(survey.vehicles),
        1 => Err(Failure::new(problems.concat())),
        many => {
            Err(Failure::new(format!("{many} problems:\n  {}", problems.join("\n  "))).at(&path.display()))
        }
    }
}

/// Writes a parameter file for each vehicle, each of them whole or not at all.
fn write_directory(directory: &Path, fleet: &[FleetVehicle], force: bool) -> Result<(), Failure> {
    let mut names = HashSet::new();
    for vehicle in fleet {
        let name = Path::new(&vehicle.id);
        if name.file_name() != Some(name.as_os_str()) || vehicle.id.starts_with('.') {
            return Err(Failure::new(format!("vehicle `{}` cannot be the name of a file", vehicle.id)));
        }
        names.insert(format!("{}.json", vehicle.id));
    }
    if directory.exists() {
        let mut others = Vec::new();
        for entry in fs::read_dir(directory).map_err(|error| Failure::new(error).at(&directory.display()))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !force {
                return Err(Failure::new("the directory is not empty")
                    .at(&directory.display())
                    .hint("`--force` writes over files of the same names"));
            }
            if name.strip_suffix(".json").is_some() && !names.contains(&name) {
                others.push(name);
            }
        }
        others.sort();
        if let Some(first) = others.first() {
            return Err(Failure::new(format!(
                "{} other vehicles in the directory, such as `{first}`, would be part of the fleet",
                others.len()
            ))
            .at(&directory.display())
            .hint("remove them, or give another directory"));
        }
    }
    fs::create_dir_all(directory).map_err(|error| Failure::new(error).at(&directory.display()))?;
    for vehicle in fleet {
        let text = VehicleFile::from(vehicle).to_json();
        write_file(&directory.join(format!("{}.json", vehicle.id)), text.as_bytes())?;
    }
    Ok(())
}

fn count(vehicles: usize) -> String {
    format!("{vehicles} {}", if vehicles == 1 { "vehicle" } else { "vehicles" })
}

/// A number with so many significant digits, trailing zeros left out.
fn digits(value: f64, digits: usize) -> String {
    let scientific = format!("{value:.*e}", digits - 1);
    let exponent = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    let decimals = match exponent {
        Some(exponent @ -4..=5) => (digits as i32 - 1 - exponent).max(0) as usize,
        _ => return scientific,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
