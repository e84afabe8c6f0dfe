//! Where a run computes.
//!
//! On the cores of this machine; or a student is fitted and whole episodes fly on an NVIDIA GPU, to the same bits.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use eyas_gpu::{Device, DeviceError, Flights, GpuFitter, Grounded, Unfittable};
use eyas_learn::Engine;
use eyas_learn::distill::{CpuFitter, Fitter};
use eyas_policy::Architecture;
use eyas_run::{Layers, Value};

use crate::configuration::{AgentConfig, check};
use crate::failure::Failure;

/// The key of the device that learns.
pub const LEARNING_DEVICE: &str = "agent.device";

/// The key of the device that envs fly on.
pub const FLYING_DEVICE: &str = "env.sim.device";

/// A device that fits a student and flies episodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeDevice {
    /// The cores of this machine.
    Cpu,
    /// `cuda:` and its index.
    Cuda(usize),
}

impl FromStr for ComputeDevice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let index = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|it| it.is_ascii_digit()));
        match (name, name.strip_prefix("cuda:").map(index)) {
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(Some(index))) => Ok(Self::Cuda(index)),
            _ => Err(format!(
                "`{LEARNING_DEVICE}` = \"{name}\", expected \"cpu\", \"auto\" or \"cuda:0\" and so on"
            )),
        }
    }
}

impl fmt::Display for ComputeDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
        }
    }
}

impl ComputeDevice {
    /// The one of a configuration.
    pub fn of(layers: &Layers, agent: &AgentConfig) -> Result<Self, Failure> {
        let mut device = Self::Cpu;
        check(layers, agent.device.parse().map(|it| device = it))?;
        Ok(device)
    }

    /// The GPU of this machine if there is one that works.
    fn best() -> Self {
        Device::new(0).map_or(Self::Cpu, |_| Self::Cuda(0))
    }

    /// What a GPU is called.
    pub fn name(self) -> Result<Option<String>, Failure> {
        let Self::Cuda(index) = self else { return Ok(None) };
        Ok(Some(Device::new(index).and_then(|it| it.name()).map_err(Unfittable::from)?))
    }

    /// What fits students of that shape there.
    pub fn fitter(self, architecture: &Architecture) -> Result<Box<dyn Fitter>, Failure> {
        Ok(match self {
            Self::Cpu => Box::new(CpuFitter::new(architecture)?),
            Self::Cuda(index) => {
                let device = Device::new(index).map_err(Unfittable::from)?;
                Box::new(GpuFitter::new(&device, architecture)?)
            }
        })
    }
}

/// Where whole episodes fly.
#[derive(Clone, Default)]
pub struct EpisodeDevice {
    /// On a GPU, if there.
    flights: Option<Flights>,
    /// Why they do not, if that is new.
    grounded: Arc<Mutex<Grounds>>,
}

/// Why episodes fly on the CPU though a GPU was asked for.
#[derive(Default)]
struct Grounds {
    known: Vec<String>,
    told: usize,
}

impl EpisodeDevice {
    /// There.
    pub fn new(device: ComputeDevice) -> Result<Self, Failure> {
        let ComputeDevice::Cuda(index) = device else { return Ok(Self::default()) };
        let grounded: Arc<Mutex<Grounds>> = Arc::default();
        let notes = Arc::clone(&grounded);
        let note = move |why: &Grounded| {
            // What is not finite the CPU finds too, and tells.
            if matches!(why, Grounded::NotFinite) {
                return;
            }
            let (why, mut notes) = (why.to_string(), notes.lock().unwrap_or_else(PoisonError::into_inner));
            if !notes.known.contains(&why) {
                notes.known.push(why);
            }
        };
        let device = Device::new(index).map_err(Unfittable::from)?;
        let flights = Some(Flights::new(&device, note).map_err(Unfittable::from)?);
        Ok(Self { flights, grounded })
    }

    /// Lets the episodes of an engine fly there.
    pub fn lend(&self, engine: &mut dyn Engine) {
        if let Some(flights) = &self.flights {
            engine.set_episode_flyer(Box::new(flights.flyer()));
        }
    }

    /// Why episodes fly on the CPU though a GPU was asked for, each reason once.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut grounds = self.grounded.lock().unwrap_or_else(PoisonError::into_inner);
        let new = grounds.known[grounds.told..].to_vec();
        grounds.told = grounds.known.len();
        new
    }
}

impl From<Unfittable> for Failure {
    fn from(error: Unfittable) -> Self {
        let hint = match &error {
            Unfittable::Device(error) => error.hint(),
            _ => DeviceError::ON_CPU,
        };
        Self::new(error).hint(hint)
    }
}

/// Puts the devices that compute in the place of `auto`: what a run writes down is what it used. A GPU is chosen only where
/// the command has a use for one.
pub fn settle_devices(layers: &mut Layers, takes_gpu: bool) -> Result<(), Failure> {
    for key in [LEARNING_DEVICE, FLYING_DEVICE] {
        let Some(name) = layers.get(key) else { continue };
        let device = if name == Value::from("cuda") && takes_gpu && key == LEARNING_DEVICE {
            ComputeDevice::Cuda(0)
        } else if name != Value::from("auto") {
            continue;
        } else if takes_gpu && key == LEARNING_DEVICE {
            ComputeDevice::best()
        } else {
            ComputeDevice::Cpu
        };
        if let Some(origin) = layers.origin(key).cloned() {
            layers.set(key, device.to_string(), origin)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_are_those_of_pytorch() {
        let read = |name: &str| name.parse::<ComputeDevice>();
        assert_eq!(read("cpu"), Ok(ComputeDevice::Cpu));
        assert_eq!(read("cuda"), Ok(ComputeDevice::Cuda(0)));
        assert_eq!(read("cuda:12"), Ok(ComputeDevice::Cuda(12)));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "cuda:99999999999999999999", "auto"]
        {
            assert!(read(wrong).is_err_and(|it| it.contains("expected")), "{wrong}");
        }
    }
}
