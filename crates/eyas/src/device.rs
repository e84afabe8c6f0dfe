//! Where a run computes.
//!
//! Envs fly on the CPU. A student is fitted there too, or on an NVIDIA GPU, to the same bits.

use std::fmt;
use std::str::FromStr;

use eyas_gpu::{Device, DeviceError, GpuFitter, Unfittable};
use eyas_learn::distill::{CpuFitter, Fitter};
use eyas_policy::Architecture;
use eyas_run::{Layers, Value};

use crate::failure::Failure;

/// The key of the device that learns.
pub const LEARNING_DEVICE: &str = "agent.device";

/// The key of the device that envs fly on.
pub const FLYING_DEVICE: &str = "env.sim.device";

/// A device that fits a student.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FittingDevice {
    /// The cores of this machine.
    Cpu,
    /// `cuda:` and its index.
    Cuda(usize),
}

impl FromStr for FittingDevice {
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

impl fmt::Display for FittingDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
        }
    }
}

impl FittingDevice {
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
/// one may fit a student.
pub fn settle_devices(layers: &mut Layers, fits_on_gpu: bool) -> Result<(), Failure> {
    for key in [LEARNING_DEVICE, FLYING_DEVICE] {
        let Some(name) = layers.get(key) else { continue };
        let device = if name == Value::from("cuda") && fits_on_gpu && key == LEARNING_DEVICE {
            FittingDevice::Cuda(0)
        } else if name != Value::from("auto") {
            continue;
        } else if fits_on_gpu && key == LEARNING_DEVICE {
            FittingDevice::best()
        } else {
            FittingDevice::Cpu
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
        let read = |name: &str| name.parse::<FittingDevice>();
        assert_eq!(read("cpu"), Ok(FittingDevice::Cpu));
        assert_eq!(read("cuda"), Ok(FittingDevice::Cuda(0)));
        assert_eq!(read("cuda:12"), Ok(FittingDevice::Cuda(12)));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "cuda:99999999999999999999", "auto"]
        {
            assert!(read(wrong).is_err_and(|it| it.contains("expected")), "{wrong}");
        }
    }
}
