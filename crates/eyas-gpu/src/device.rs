//! A GPU: its memory, its kernels, its runs.

#![allow(unsafe_code, reason = "kernels are launched with parameters that the driver cannot check")]

use std::sync::Arc;

use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr, DriverError, LaunchConfig,
    PushKernelArg, ValidAsZeroBits,
};
use cudarc::nvrtc::Ptx;
use eyas_lanes::{BLOCK, Row, Stream};
use eyas_trace::Program;

use crate::ptx::{Feedback, Unwritable, kernel, num_outputs, purposes};

/// A GPU cannot do what it is asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is none to ask.
    #[error("the NVIDIA driver (libcuda) is not installed on this machine")]
    NoDriver,
    /// There are fewer.
    #[error("there is no cuda:{asked}: this machine has {available} CUDA devices")]
    NoDevice {
        /// The one asked for.
        asked: usize,
        /// How many there are.
        available: usize,
    },
    /// The program is not for GPUs.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// Its memory does not suffice.
    #[error("the GPU has no room for {:.1} MB more: {error}", *bytes as f64 / 1e6)]
    Memory {
        /// What was asked for.
        bytes: usize,
        /// What the driver says.
        error: DriverError,
    },
    /// The driver refuses.
    #[error("the NVIDIA driver refuses to {doing}: {error}")]
    Driver {
        /// What was to be done.
        doing: &'static str,
        /// What it says.
        error: DriverError,
    },
}

impl DeviceError {
    /// What always helps.
    pub const ON_CPU: &str = "`--device cpu` gives the same bytes without a GPU";

    /// What helps.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoDriver | Self::NoDevice { .. } => {
                "`--device auto` takes a GPU only where there is one, `--device cpu` none"
            }
            Self::Memory { .. } => {
                "a smaller `distill.batch_size` or `distill.sequence_length` needs less for a batch, a smaller \
                 `distill.max_memory` less for the dataset"
            }
            Self::Unwritable(_) | Self::Driver { .. } => Self::ON_CPU,
        }
    }
}

/// Threads of a thread block: four warps.
const THREADS: u32 = 128;

pub(crate) fn refused(doing: &'static str) -> impl Fn(DriverError) -> DeviceError {
    move |error| DeviceError::Driver { doing, error }
}

/// One GPU.
#[derive(Clone)]
pub struct Device {
    pub(crate) context: Arc<CudaContext>,
    pub(crate) stream: Arc<CudaStream>,
}

/// Rows in a device's memory.
pub struct Rows(CudaSlice<f32>);

/// Episode and step of every env: what draws are keyed by.
pub struct Counters(CudaSlice<u32>);

/// A program that a device has taken.
pub struct Kernel {
    function: CudaFunction,
    num_inputs: usize,
    num_outputs: usize,
    /// Those of the streams that it draws from.
    keys: CudaSlice<u32>,
}

impl Device {
    /// `cuda:index`.
    ///
    /// # Errors
    ///
    /// If there is no driver or no such device.
    pub fn new(index: usize) -> Result<Self, DeviceError> {
        // SAFETY: looking for a library loads it, and libcuda may be loaded at any time.
        if !unsafe { cudarc::driver::sys::is_culib_present() } {
            return Err(DeviceError::NoDriver);
        }
        let available = CudaContext::device_count().map_err(refused("count its devices"))? as usize;
        if index >= available {
            return Err(DeviceError::NoDevice { asked: index, available });
        }
        let context = CudaContext::new(index).map_err(refused("open a device"))?;
        let stream = context.default_stream();
        Ok(Self { context, stream })
    }

    /// What the driver calls it.
    ///
    /// # Errors
    ///
    /// If the driver fails.
    pub fn name(&self) -> Result<String, DeviceError> {
        self.context.name().map_err(refused("name a device"))
    }

    /// So many numbers, all zero.
    pub(crate) fn zeros<T: DeviceRepr + ValidAsZeroBits>(
        &self,
        count: usize,
    ) -> Result<CudaSlice<T>, DeviceError> {
        let bytes = count * size_of::<T>();
        self.stream.alloc_zeros(count.max(1)).map_err(|error| DeviceError::Memory { bytes, error })
    }

    /// Where kernels find it.
    pub(crate) fn address<T>(&self, slice: &CudaSlice<T>) -> u64 {
        slice.device_ptr(&self.stream).0
    }

    /// Rows as they are in memory.
    ///
    /// # Errors
    ///
    /// If the memory does not suffice.
    pub fn upload(&self, rows: &[Row]) -> Result<Rows, DeviceError> {
        let values: Vec<f32> = rows.iter().flat_map(|row| row.0).collect();
        self.stream.clone_htod(&values).map(Rows).map_err(refused("copy rows to a device"))
    }

    /// Room for the rows that a kernel gives of so many blocks.
    ///
    /// # Errors
    ///
    /// If the memory does not suffice.
    pub fn outputs_of(&self, kernel: &Kernel, num_blocks: usize) -> Result<Rows, DeviceError> {
        let count = num_blocks * kernel.num_outputs * BLOCK;
        self.stream.alloc_zeros(count).map(Rows).map_err(refused("reserve memory for rows"))
    }

    /// The rows.
    ///
    /// # Errors
    ///
    /// If a kernel before failed.
    pub fn download(&self, rows: &Rows) -> Result<Vec<Row>, DeviceError> {
        let values = self.stream.clone_dtoh(&rows.0).map_err(refused("copy rows from a device"))?;
        let (lines, _) = values.as_chunks::<BLOCK>();
        Ok(lines.iter().map(|line| Row(*line)).collect())
    }

    /// `[block][2]` rows of counters: episode and step.
    ///
    /// # Errors
    ///
    /// If the memory does not suffice.
    pub fn counters(&self, rows: &[[[u32; BLOCK]; 2]]) -> Result<Counters, DeviceError> {
        self.stream
            .clone_htod(rows.as_flattened().as_flattened())
            .map(Counters)
            .map_err(refused("copy counters to a device"))
    }

    /// Hands a program over to the driver, with what it feeds back from step to step. It draws from the streams of the run
    /// with that seed.
    ///
    /// # Errors
    ///
    /// If the program holds an elementary function whole, or the driver does not take it.
    ///
    /// # Panics
    ///
    /// If an output or input that `feedback` names is not there or has another width.
    pub fn load(&self, program: &Program, feedback: &[Feedback], seed: u64) -> Result<Kernel, DeviceError> {
        const ENTRY: &str = "formula";
        let text = kernel(program, ENTRY, feedback)?;
        let module = self.context.load_module(Ptx::from_src(text)).map_err(refused("take a formula"))?;
        let mut keys: Vec<u32> =
            purposes(program).into_iter().flat_map(|purpose| Stream::new(seed, purpose).key()).collect();
        if keys.is_empty() {
            keys.push(0);
        }
        Ok(Kernel {
            function: module.load_function(ENTRY).map_err(refused("find a formula"))?,
            num_inputs: program.num_inputs(),
            num_outputs: num_outputs(program),
            keys: self.stream.clone_htod(&keys).map_err(refused("copy keys to a device"))?,
        })
    }

    /// Runs a formula so many times for the envs `first_env ..` of all blocks that `inputs` holds: `[block][input]` rows in,
    /// `[block][output]` rows of the last time out.
    ///
    /// # Errors
    ///
    /// If the driver refuses.
    ///
    /// # Panics
    ///
    /// If inputs, outputs and counters are not of the same blocks, or for no step.
    pub fn run(
        &self,
        kernel: &Kernel,
        inputs: &Rows,
        counters: &Counters,
        first_env: u32,
        steps: u32,
        outputs: &mut Rows,
    ) -> Result<(), DeviceError> {
        assert!(steps > 0, "a formula is run at least once");
        let num_blocks = inputs.0.len() / (BLOCK * kernel.num_inputs);
        assert!(
            inputs.0.len() == num_blocks * kernel.num_inputs * BLOCK
                && outputs.0.len() == num_blocks * kernel.num_outputs * BLOCK
                && counters.0.len() == num_blocks * 2 * BLOCK,
            "rows of other blocks"
        );
        let num_envs = (num_blocks * BLOCK) as u32;
        let mut launch = self.stream.launch_builder(&kernel.function);
        launch.arg(&inputs.0).arg(&mut outputs.0).arg(&counters.0).arg(&kernel.keys);
        launch.arg(&first_env).arg(&num_envs).arg(&steps);
        let config = LaunchConfig {
            grid_dim: (num_envs.div_ceil(THREADS), 1, 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the parameters are those of the kernel, and it touches the rows of `num_envs` envs, which are there.
        unsafe { launch.launch(config) }.map_err(refused("run a formula"))?;
        Ok(())
    }

    /// Waits until all that was asked for is done.
    ///
    /// # Errors
    ///
    /// What a kernel failed with.
    pub fn wait(&self) -> Result<(), DeviceError> {
        self.stream.synchronize().map_err(refused("finish a formula"))
    }
}
