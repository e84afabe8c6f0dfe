//! `eyas bench`: how fast this program is on this machine, in alternation with others in the same run.

mod dynamics;
mod peak;
mod peer;
mod table;
mod work;

use std::process::ExitCode;
use std::time::Instant;

use eyas::Failure;
use eyas::device::ComputeDevice;
use eyas_lanes::{Isa, force_isa};

use self::peer::Peer;
use self::work::Work;
use crate::arguments::Bench;
use crate::print::say;

pub(crate) fn run(arguments: &Bench, threads: Option<usize>) -> Result<ExitCode, Failure> {
    let (rounds, seconds) = (arguments.rounds, arguments.seconds);
    if rounds == 0 || !(seconds > 0.0 && seconds.is_finite()) {
        return Err(Failure::new("`--rounds` must be at least 1, `--seconds` a positive number"));
    }
    let of_device = |failure: Failure| failure.of("`--device`");
    let device: ComputeDevice = arguments.device.parse().map_err(Failure::new).map_err(of_device)?;
    let works = chosen(&arguments.work, device)?;
    if arguments.list {
        for work in works {
            say(format!("{:<18} {}, in {} a second", work.name, work.about, work.unit))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let isa = choose_isa(arguments.isa.as_deref())?;
    let threads = threads.unwrap_or(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(Failure::new)?;
    if let Some(times) = arguments.times {
        for work in works {
            pool.install(|| {
                let mut run = (work.prepare)()?;
                (0..times).for_each(|_| _ = run());
                Ok::<_, Failure>(())
            })?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut peers =
        arguments.against.iter().map(|it| Peer::start(*it, isa, device)).collect::<Result<Vec<_>, _>>()?;
    let machine = table::Machine {
        processor: processor(),
        gpu: device.name().map_err(of_device)?,
        isa,
        threads,
        peak: peak::gflops(),
        peers: peers.iter().map(|it| it.name.clone()).collect(),
    };
    if !arguments.json {
        say(machine.header())?;
    }
    let mut rows = Vec::new();
    for work in works {
        let row = pool.install(|| measure(&work, rounds, seconds, &mut peers))?;
        if !arguments.json {
            say(row.line(&machine))?;
        }
        rows.push(row);
    }
    if arguments.json {
        say(format!("{:#}", machine.json(&rows)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The instruction set that all works run on: the one of `--isa`, else the widest.
fn choose_isa(name: Option<&str>) -> Result<Isa, Failure> {
    let available = Isa::available();
    let named = |isa: &&Isa| name.is_none_or(|name| isa.to_string().eq_ignore_ascii_case(name));
    let Some(isa) = available.iter().rfind(named) else {
        let names: Vec<String> = available.iter().map(ToString::to_string).collect();
        return Err(Failure::new(format!("`--isa {}`: not on this machine", name.unwrap_or_default()))
            .hint(format!("it has {}", names.join(", "))));
    };
    force_isa(*isa);
    Ok(*isa)
}

/// The works of `--work`, or all of them.
fn chosen(names: &[String], device: ComputeDevice) -> Result<Vec<Work>, Failure> {
    let all = if device == ComputeDevice::Cpu { work::all() } else { work::all_on(device) };
    let known = || all.iter().map(|it| it.name).collect::<Vec<_>>().join(", ");
    if let Some(name) = names.iter().find(|name| !all.iter().any(|it| it.name == **name)) {
        return Err(Failure::new(format!("`--work {name}`: there is no such work"))
            .hint(format!("expected some of {}", known())));
    }
    Ok(all.into_iter().filter(|it| names.is_empty() || names.iter().any(|name| name == it.name)).collect())
}

/// What was measured of one work, units a second in each round.
pub(super) struct Row {
    work: &'static str,
    unit: &'static str,
    /// Floating-point operations of the networks for each unit, if they are most of the work.
    flops: Option<f64>,
    own: Vec<f64>,
    /// Those of each peer; none where it does not know the work.
    peers: Vec<Option<Vec<f64>>>,
}

/// Takes turns: each round asks this program, then every peer, so that what disturbs the machine disturbs all.
fn measure(work: &Work, rounds: usize, seconds: f64, peers: &mut [Peer]) -> Result<Row, Failure> {
    let mut run = (work.prepare)()?;
    let mut others: Vec<Option<Vec<f64>>> =
        peers.iter().map(|peer| peer.knows(work.beside).then(Vec::new)).collect();
    run();
    let mut own = Vec::new();
    for _ in 0..rounds {
        own.push(rate(run.as_mut(), seconds));
        for (peer, rates) in peers.iter_mut().zip(&mut others) {
            if let Some(rates) = rates {
                rates.push(peer.measure(work.beside, seconds)?);
            }
        }
    }
    Ok(Row { work: work.name, unit: work.unit, flops: work.flops, own, peers: others })
}

/// Units a second of work that is repeated for about that long.
fn rate(run: &mut dyn FnMut() -> f64, seconds: f64) -> f64 {
    let start = Instant::now();
    let mut units = 0.0;
    loop {
        units += run();
        let elapsed = start.elapsed().as_secs_f64();
        if elapsed >= seconds {
            return units / elapsed;
        }
    }
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1));
    model.unwrap_or(std::env::consts::ARCH).to_owned()
}
