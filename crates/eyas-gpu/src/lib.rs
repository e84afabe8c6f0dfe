//! Recorded formulas on NVIDIA GPUs: written as PTX, handed to the driver, run with the bits of the CPU.
//!
//! Of them and a few kernels by hand are made flights of whole episodes ([`GpuFlyer`]) and fits of students ([`GpuFitter`]).
//!
//! Neither the machine that builds this nor the one that runs it needs CUDA: the driver is loaded at run time and takes PTX
//! as text.
//!
//! ```
//! use eyas_gpu::kernel;
//! use eyas_lanes::Real as _;
//! use eyas_trace::{Constants, Form, Functions, record};
//!
//! let form = Form { constants: Constants::Single, functions: Functions::Polynomials };
//! let program = record(form, |recorder| {
//!     let [x, y] = recorder.input::<[(); 2]>("sides");
//!     recorder.output_numbers("diagonal", &[x.mul_add(x, y * y).sqrt()]);
//! });
//! assert!(kernel(&program, "diagonal", &[]).unwrap().contains("fma.rn.f32"));
//! ```

mod device;
mod fit;
mod fly;
mod policy;
mod ptx;

pub use device::{Counters, Device, DeviceError, Kernel, Rows};
pub use fit::{GpuFitter, Unfittable};
pub use fly::{Flights, GpuFlyer, Grounded, flight_kernels};
pub use ptx::{Feedback, Unwritable, kernel, num_outputs, purposes};
