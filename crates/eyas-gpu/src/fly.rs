//! Whole episodes flown on a GPU.

#![allow(unsafe_code, reason = "kernels are launched with parameters that the driver cannot check")]

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cudarc::driver::sys::{CUdevice_attribute, CUfunction_attribute};
use cudarc::driver::{CudaFunction, CudaSlice, DeviceRepr, LaunchConfig, PinnedHostSlice, PushKernelArg};
use cudarc::nvrtc::Ptx;
use eyas_env::{EnvBlock, FlightFormulas, FlightRows};
use eyas_lanes::{BLOCK, Row, Stream};
use eyas_learn::{Actor, BlockPlan, EpisodeFlyer, EpisodePlan, FlownEpisode, Measured as MeasuredEpisode};
use eyas_trace::{Constants, Form, Functions, Output, Program};
use rayon::prelude::*;

use crate::device::{Device, DeviceError, refused};
use crate::policy::{Image, Places, Role, Stage};
use crate::ptx::{Unwritable, function, purposes};

/// `kernels/fly.cu` for envs and warps of a thread block, compiled by `kernels/build.py`. The formulas that it calls are put in.
struct Variant {
    lanes: usize,
    warps: usize,
    text: &'static str,
}

/// Quarters of blocks where there are few, so that all multiprocessors have some; whole ones; and a warp for each where there
/// are many, which then waits for no other.
const VARIANTS: [Variant; 3] = [
    Variant { lanes: 8, warps: 8, text: include_str!("../kernels/fly_8_8.ptx") },
    Variant { lanes: 32, warps: 8, text: include_str!("../kernels/fly_32_8.ptx") },
    Variant { lanes: 32, warps: 1, text: include_str!("../kernels/fly_32_1.ptx") },
];

/// Blocks for each multiprocessor from which on there are many, and the widest layer that a warp computes on its own.
const MANY_BLOCKS: usize = 8;
const NARROW: usize = 64;

/// What formulas are recorded as.
const FORM: Form = Form { constants: Constants::Single, functions: Functions::Polynomials };

/// `Policy` of the kernel.
#[repr(C)]
#[derive(Clone, Copy)]
struct PolicyAt {
    numbers: u64,
    count: u32,
    shared: u32,
    first_stage: u32,
    num_stages: u32,
}

/// `Block` of the kernel.
#[repr(C)]
#[derive(Clone, Copy)]
struct BlockAt {
    given: u64,
    episodes: u64,
    first_env: u32,
    actor: u32,
    labeller: u32,
}

/// `Ended` of the kernel.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Ended {
    length: u32,
    episode_return: f32,
    crashed: u32,
    moving: u32,
}

/// `Measured` of the kernel.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Measured {
    squared_error: f64,
    error: [f64; 3],
    squared_action_error: f64,
    settled: u64,
}

/// `Flight` of the kernel.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Flight {
    blocks: u64,
    policies: u64,
    stages: u64,
    reset_keys: u64,
    reference_keys: u64,
    observe_keys: u64,
    step_keys: u64,
    ended: u64,
    records: u64,
    measured: u64,
    lost: u64,
    num_rows: u32,
    given: u32,
    num_given: u32,
    observation: u32,
    num_observations: u32,
    terms: u32,
    num_terms: u32,
    causes: u32,
    num_causes: u32,
    cuts: u32,
    moving: u32,
    action: u32,
    label: u32,
    num_actions: u32,
    states: u32,
    num_states: u32,
    time_limit: u32,
    episode_steps: u32,
    slots: u32,
    features: u32,
    num_features: u32,
    settle: u32,
    error: u32,
    error_of: u32,
    reference_moves_first: u32,
    has_labels: u32,
}

// SAFETY: plain numbers, laid out as the kernel's structs of the same names.
unsafe impl DeviceRepr for PolicyAt {}
// SAFETY: as above.
unsafe impl DeviceRepr for BlockAt {}
// SAFETY: as above.
unsafe impl DeviceRepr for Ended {}
// SAFETY: as above, and zeros are some.
unsafe impl cudarc::driver::ValidAsZeroBits for Ended {}
// SAFETY: as above.
unsafe impl DeviceRepr for Measured {}
// SAFETY: as above, and zeros are some.
unsafe impl cudarc::driver::ValidAsZeroBits for Measured {}
// SAFETY: as above.
unsafe impl DeviceRepr for Flight {}

/// Envs do not fly on the GPU, but where they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Grounded {
    /// The kernel does not have what they need.
    #[error("{0}")]
    Unlike(&'static str),
    /// A number was not finite: where they are, they fly up to it and tell.
    #[error("a number was not finite")]
    NotFinite,
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// What flyers of one GPU share: kernels that the driver has taken.
#[derive(Clone)]
pub struct Flights {
    device: Device,
    /// By their text.
    kernels: Arc<Mutex<HashMap<String, CudaFunction>>>,
    /// Bytes of shared memory that a thread block may have.
    shared_memory: usize,
    num_multiprocessors: usize,
    on_grounded: Arc<dyn Fn(&Grounded) + Send + Sync>,
}

impl Flights {
    /// Flights on a device. `on_grounded` is told why envs fly where they are instead, each time; after a failure of the
    /// device all do.
    ///
    /// # Errors
    ///
    /// If the driver refuses.
    pub fn new(
        device: &Device,
        on_grounded: impl Fn(&Grounded) + Send + Sync + 'static,
    ) -> Result<Self, DeviceError> {
        use CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
        };
        let tell = |attribute| device.context.attribute(attribute).map_err(refused("tell what it has"));
        Ok(Self {
            device: device.clone(),
            kernels: Arc::default(),
            shared_memory: tell(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)? as usize,
            num_multiprocessors: tell(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as usize,
            on_grounded: Arc::new(on_grounded),
        })
    }

    /// What flies an engine's envs.
    #[must_use]
    pub fn flyer(&self) -> GpuFlyer {
        GpuFlyer {
            flights: self.clone(),
            taken: HashMap::new(),
            records: Records::default(),
            has_failed: false,
        }
    }

    /// The kernel of such formulas.
    fn kernel(
        &self,
        variant: &Variant,
        layout: &Layout,
        formulas: &FlightFormulas,
    ) -> Result<CudaFunction, DeviceError> {
        let text = text_of(variant, layout, formulas)?;
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = kernels.get(&text) {
            return Ok(kernel.clone());
        }
        let ptx = Ptx::from_src(text.clone());
        let module = self.device.context.load_module(ptx).map_err(refused("take the formulas of a task"))?;
        let kernel = module.load_function("fly").map_err(refused("find a kernel"))?;
        let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        let fixed = kernel
            .get_attribute(CUfunction_attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)
            .map_err(refused("tell what a kernel needs"))?;
        let lent = self.shared_memory as i32 - fixed;
        kernel.set_attribute(most, lent).map_err(refused("lend its shared memory"))?;
        kernels.insert(text, kernel.clone());
        Ok(kernel)
    }
}

/// Flies the whole episodes of an engine's envs on a GPU, with the same bits: where the formulas of a task are all there is to
/// it, and policies are of layers that the kernel has.
pub struct GpuFlyer {
    flights: Flights,
    /// What the driver has taken of the formulas of blocks.
    taken: HashMap<(usize, bool), Option<Arc<Taken>>>,
    records: Records,
    has_failed: bool,
}

/// What is kept of visited states, on the device and where the processor reads it.
#[derive(Default)]
struct Records {
    there: Option<CudaSlice<f32>>,
    here: Option<PinnedHostSlice<f32>>,
}

impl Records {
    /// Makes room for so many numbers.
    fn prepare(&mut self, device: &Device, count: usize) -> Result<(), DeviceError> {
        let bytes = size_of::<f32>() * count;
        if self.there.as_ref().is_none_or(|it| it.len() < count) {
            *self = Self::default();
            // SAFETY: it is read only where something was copied to it.
            let here = unsafe { device.context.alloc_pinned_with_flags(count, 0) };
            self.here = Some(here.map_err(|error| DeviceError::Memory { bytes, error })?);
            self.there = Some(device.zeros(count)?);
        }
        Ok(())
    }

    /// The numbers as the device left them.
    fn download(&mut self, device: &Device) -> Result<&[f32], DeviceError> {
        let (Some(there), Some(here)) = (&self.there, &mut self.here) else { return Ok(&[]) };
        device.stream.memcpy_dtoh(there, here).map_err(refused(DOWNLOAD))?;
        // A single stream records no events that the memory could wait for.
        device.wait()?;
        here.as_slice().map_err(refused(DOWNLOAD))
    }
}

/// Formulas that a device has taken.
struct Taken {
    layout: Layout,
    formulas: FlightFormulas,
    /// Of each of [`VARIANTS`], as they are asked for.
    kernels: [OnceLock<CudaFunction>; VARIANTS.len()],
    /// Of the streams that each formula draws from.
    keys: [CudaSlice<u32>; 4],
}

impl Taken {
    /// The kernel of one of [`VARIANTS`].
    fn kernel(&self, flights: &Flights, index: usize) -> Result<&CudaFunction, DeviceError> {
        let known = &self.kernels[index];
        if known.get().is_none() {
            let kernel = flights.kernel(&VARIANTS[index], &self.layout, &self.formulas)?;
            return Ok(known.get_or_init(|| kernel));
        }
        Ok(known.wait())
    }
}

impl GpuFlyer {
    /// Flies a plan, if all of it can be flown here.
    fn try_to_fly(
        &mut self,
        blocks: &mut [Box<dyn EnvBlock>],
        plan: &EpisodePlan,
    ) -> Result<Vec<Vec<FlownEpisode>>, Grounded> {
        let unlike = "the task has more than vehicles whose references rest or move at random";
        let flying = rows_of(blocks, plan).ok_or(Grounded::Unlike(unlike))?;
        let mut flown: Vec<Vec<FlownEpisode>> = Vec::new();
        flown.resize_with(plan.blocks.len(), Vec::new);
        let mut kinds: Vec<(usize, bool)> = flying.iter().map(|(_, rows)| rows.formulas).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let taken = self.take(kind, blocks, &flying)?.ok_or(Grounded::Unlike(unlike))?;
            let alike: Vec<&(usize, FlightRows)> =
                flying.iter().filter(|(_, rows)| rows.formulas == kind).collect();
            let launch = Launch::new(&taken, &self.flights, plan, &alike).map_err(Grounded::Unlike)?;
            let episodes = launch.run(&mut self.records)?;
            for ((block, _), episodes) in alike.into_iter().zip(episodes) {
                flown[*block] = episodes;
            }
        }
        // Episodes that were numbered by the envs count there.
        let counted = blocks.par_iter_mut().zip(&plan.blocks);
        counted.for_each(|(block, plan)| {
            if plan.is_some_and(|it| it.first_episode.is_none()) {
                block.reset(u32::MAX);
            }
        });
        Ok(flown)
    }

    /// The formulas of a kind of blocks, if the kernel can be made of them.
    fn take(
        &mut self,
        kind: (usize, bool),
        blocks: &[Box<dyn EnvBlock>],
        flying: &[(usize, FlightRows)],
    ) -> Result<Option<Arc<Taken>>, DeviceError> {
        if let Some(taken) = self.taken.get(&kind) {
            return Ok(taken.clone());
        }
        let of_kind = flying.iter().find(|(_, rows)| rows.formulas == kind);
        let mut taken = None;
        if let Some((index, rows)) = of_kind
            && let Some(formulas) = blocks[*index].flight_formulas(FORM)
            && let Some(layout) = Layout::new(&formulas, rows)
        {
            let keys = |program: Option<&Program>| {
                let purposes = program.map(purposes).unwrap_or_default();
                let mut keys: Vec<u32> =
                    purposes.into_iter().flat_map(|it| Stream::new(formulas.seed, it).key()).collect();
                keys.push(0);
                self.flights.device.stream.clone_htod(&keys).map_err(refused("copy keys to a device"))
            };
            let FlightFormulas { reset, reference, observe, step, .. } = &formulas;
            let keys =
                [keys(Some(reset))?, keys(reference.as_ref())?, keys(Some(observe))?, keys(Some(step))?];
            taken = Some(Arc::new(Taken { layout, formulas, kernels: Default::default(), keys }));
        }
        self.taken.insert(kind, taken.clone());
        Ok(taken)
    }
}

/// What formulas take of the blocks that fly, if they are all there is to each.
fn rows_of(blocks: &mut [Box<dyn EnvBlock>], plan: &EpisodePlan) -> Option<Vec<(usize, FlightRows)>> {
    let blocks = blocks.par_iter_mut().zip(&plan.blocks).enumerate();
    let flying = blocks.filter(|(_, (_, plan))| plan.is_some());
    flying.map(|(index, (block, _))| Some((index, block.flight_rows()?))).collect()
}

impl EpisodeFlyer for GpuFlyer {
    fn fly_episodes(
        &mut self,
        blocks: &mut [Box<dyn EnvBlock>],
        plan: &EpisodePlan,
    ) -> Option<Vec<Vec<FlownEpisode>>> {
        if self.has_failed {
            return None;
        }
        self.try_to_fly(blocks, plan)
            .inspect_err(|why| {
                self.has_failed |= matches!(why, Grounded::Device(_));
                (self.flights.on_grounded)(why);
            })
            .ok()
    }
}

/// In which row of the frame each group of numbers of the formulas begins.
struct Layout {
    rows: HashMap<String, usize>,
    num_rows: usize,
    num_given: usize,
    num_observations: usize,
    num_terms: usize,
    num_causes: usize,
    num_actions: usize,
}

impl Layout {
    /// None if a formula takes or gives what no other knows of.
    fn new(formulas: &FlightFormulas, given: &FlightRows) -> Option<Self> {
        let FlightFormulas { reset, reference, observe, step, .. } = formulas;
        let mut layout = Self {
            rows: HashMap::new(),
            num_rows: 0,
            num_given: given.vehicle.len() + given.limits.len(),
            num_observations: len_of(observe, "observation")?,
            num_terms: len_of(step, "terms")?,
            num_causes: len_of(step, "causes")?,
            num_actions: step.input("action").len(),
        };
        layout.add("vehicle", given.vehicle.len());
        layout.add("limits", given.limits.len());
        layout.add("force", 3);
        for output in reset.outputs() {
            layout.add(output.name(), output.len());
        }
        let own = [
            ("observation", layout.num_observations),
            ("terms", layout.num_terms),
            ("causes", layout.num_causes),
            ("action", layout.num_actions),
            ("label", layout.num_actions),
        ];
        for (name, len) in own {
            layout.add(name, len);
        }
        let programs = [reset, observe, step].into_iter().chain(reference);
        let mut groups = programs.flat_map(|program| {
            let outputs = program.outputs().iter().map(Output::name);
            program.inputs().iter().map(|it| it.name.as_str()).chain(outputs)
        });
        groups.all(|name| layout.rows.contains_key(name)).then_some(layout)
    }

    fn add(&mut self, name: &str, len: usize) {
        self.rows.insert(name.to_owned(), self.num_rows);
        self.num_rows += len;
    }

    fn row(&self, name: &str) -> usize {
        self.rows[name]
    }

    /// The row of each input, and of each output.
    fn rows_of(&self, program: &Program) -> [Vec<usize>; 2] {
        let rows = |name: &str, len: usize| {
            let first = self.row(name);
            first..first + len
        };
        [
            program.inputs().iter().flat_map(|it| rows(&it.name, it.range.len())).collect(),
            program.outputs().iter().flat_map(|it| rows(it.name(), it.len())).collect(),
        ]
    }
}

fn len_of(program: &Program, output: &str) -> Option<usize> {
    program.outputs().iter().find(|it| it.name() == output).map(Output::len)
}

/// The kernel with the formulas of a task in the place of their declarations.
fn text_of(
    Variant { lanes, text, .. }: &Variant,
    layout: &Layout,
    formulas: &FlightFormulas,
) -> Result<String, Unwritable> {
    let FlightFormulas { reset, reference, observe, step, .. } = formulas;
    let mut text = (*text).to_owned();
    for (name, program) in [
        ("eyas_reset", Some(reset)),
        ("eyas_reference", reference.as_ref()),
        ("eyas_observe", Some(observe)),
        ("eyas_step", Some(step)),
    ] {
        let definition = match program {
            Some(program) => {
                let [inputs, outputs] = layout.rows_of(program);
                function(program, name, *lanes, [&inputs, &outputs])?
            }
            None => function(&Program::default(), name, *lanes, [&[], &[]])?,
        };
        let start = text.find(&format!(".extern .func {name}\n")).expect("the kernel calls it");
        let end = start + text[start..].find(';').expect("its declaration ends");
        text.replace_range(start..=end, &definition);
    }
    Ok(text)
}

/// The texts of the kernels that fly envs such as those of a block; none if its formulas are not all there is to it.
///
/// # Errors
///
/// [`Unwritable`] as of [`kernel`](crate::kernel).
pub fn flight_kernels(block: &dyn EnvBlock) -> Result<Vec<String>, Unwritable> {
    let (Some(formulas), Some(rows)) = (block.flight_formulas(FORM), block.flight_rows()) else {
        return Ok(Vec::new());
    };
    let layout = Layout::new(&formulas, &rows);
    layout.iter().flat_map(|layout| VARIANTS.iter().map(|it| text_of(it, layout, &formulas))).collect()
}

/// The policies of a plan in a frame.
struct Policies {
    images: Vec<Image>,
    /// The places among `images` of the actor and the labeller of each block.
    of_blocks: Vec<[usize; 2]>,
    /// First row of recurrent states, and that after them.
    states: Range<usize>,
    /// Rows of the frame with what policies need.
    num_rows: usize,
    has_labels: bool,
}

impl Policies {
    /// Says why not if a policy has a part that the kernel has not.
    fn new(layout: &Layout, plans: &[&BlockPlan]) -> Result<Self, &'static str> {
        let width = |actor: &Actor| actor.inference.state_width();
        let of_actors = plans.iter().map(|it| width(it.actor)).max().unwrap_or(0);
        let of_labellers = plans.iter().filter_map(|it| it.labeller).map(width).max().unwrap_or(0);
        let states = layout.num_rows..layout.num_rows + of_actors + of_labellers;
        let (mut images, mut known) = (Vec::<Image>::new(), HashMap::new());
        let mut image_of = |actor: &Actor, role: Role| {
            let key = (std::ptr::from_ref(actor), role);
            if let Some(place) = known.get(&key) {
                return Ok(*place);
            }
            let (state, action) = match role {
                Role::Actor => (states.start, "action"),
                Role::Labeller => (states.start + of_actors, "label"),
            };
            let places = Places {
                state,
                action: layout.row(action),
                scratch: states.end,
                observation: layout.row("observation"),
            };
            let image = Image::new(actor, &places);
            images.push(image.ok_or("a policy has an activation that only the CPU has")?);
            known.insert(key, images.len() - 1);
            Ok::<usize, &'static str>(images.len() - 1)
        };
        let mut of_blocks = Vec::new();
        for plan in plans {
            let actor = image_of(plan.actor, Role::Actor)?;
            let labeller = plan.labeller.map_or(Ok(actor), |it| image_of(it, Role::Labeller))?;
            of_blocks.push([actor, labeller]);
        }
        let num_rows = states.end + images.iter().map(|it| it.scratch_rows).max().unwrap_or(0);
        let has_labels = plans.iter().all(|it| it.labeller.is_some());
        Ok(Self { images, of_blocks, states, num_rows, has_labels })
    }

    /// Rows of the widest layer.
    fn widest(&self) -> usize {
        self.images.iter().map(|it| it.widest).max().unwrap_or(0)
    }

    /// Most numbers of an actor and of a labeller.
    fn numbers(&self) -> [usize; 2] {
        let most = |role: usize| self.of_blocks.iter().map(|it| self.images[it[role]].numbers.len()).max();
        [most(0), most(1).filter(|_| self.has_labels)].map(|it| it.unwrap_or(0))
    }

    /// Copies them to a device; `shared` is where the numbers of actors and of labellers lie in shared memory.
    fn upload(&self, device: &Device, shared: [usize; 2]) -> Result<UploadedPolicies, DeviceError> {
        let numbers: Vec<f32> = self.images.iter().flat_map(|it| it.numbers.iter().copied()).collect();
        let numbers = device.stream.clone_htod(&numbers).map_err(refused(UPLOAD))?;
        let stages: Vec<Stage> = self.images.iter().flat_map(|it| it.stages.iter().copied()).collect();
        let (mut at, mut first_stage) = (device.address(&numbers), 0);
        let mut policies = Vec::new();
        for (place, image) in self.images.iter().enumerate() {
            let is_actor = self.of_blocks.iter().any(|it| it[0] == place);
            policies.push(PolicyAt {
                numbers: at,
                count: image.numbers.len() as u32,
                shared: shared[usize::from(!is_actor)] as u32,
                first_stage,
                num_stages: image.stages.len() as u32,
            });
            at += (size_of::<f32>() * image.numbers.len()) as u64;
            first_stage += image.stages.len() as u32;
        }
        Ok(UploadedPolicies {
            policies: device.stream.clone_htod(&policies).map_err(refused(UPLOAD))?,
            stages: device.stream.clone_htod(&stages).map_err(refused(UPLOAD))?,
            _numbers: numbers,
        })
    }
}

struct UploadedPolicies {
    policies: CudaSlice<PolicyAt>,
    stages: CudaSlice<Stage>,
    _numbers: CudaSlice<f32>,
}

const UPLOAD: &str = "copy what flies to a device";
const DOWNLOAD: &str = "copy what was flown from a device";

/// A plan for blocks of the same formulas, ready to be launched.
struct Launch<'a> {
    taken: &'a Taken,
    flights: &'a Flights,
    plan: &'a EpisodePlan<'a>,
    blocks: &'a [&'a (usize, FlightRows)],
    plans: Vec<&'a BlockPlan<'a>>,
    policies: Policies,
    flight: Flight,
    /// Where the numbers of actors and of labellers lie in shared memory, counted in numbers, or 0.
    shared: [usize; 2],
    bytes: usize,
    /// Which of [`VARIANTS`].
    variant: usize,
}

impl<'a> Launch<'a> {
    /// Says why not if a policy has a part that the kernel has not, or there is no room for what flies.
    fn new(
        taken: &'a Taken,
        flights: &'a Flights,
        plan: &'a EpisodePlan,
        blocks: &'a [&'a (usize, FlightRows)],
    ) -> Result<Self, &'static str> {
        let plans: Vec<&BlockPlan> =
            blocks.iter().filter_map(|(block, _)| plan.blocks[*block].as_ref()).collect();
        let policies = Policies::new(&taken.layout, &plans)?;
        let variant = if blocks.len() * (BLOCK / VARIANTS[0].lanes) <= 2 * flights.num_multiprocessors {
            0
        } else if blocks.len() < MANY_BLOCKS * flights.num_multiprocessors || policies.widest() > NARROW {
            1
        } else {
            2
        };
        let lanes = VARIANTS[variant].lanes;
        let first = policies.num_rows * lanes;
        let [actor, labeller] = policies.numbers();
        let room = (flights.shared_memory - RESERVED) / size_of::<f32>();
        if first > room {
            return Err("a policy is too wide for the memory that the threads of a GPU share");
        }
        let (shared, count) = if first + actor + labeller <= room {
            ([first, first + actor], first + actor + labeller)
        } else if first + actor <= room {
            ([first, 0], first + actor)
        } else {
            ([0, 0], first)
        };
        let slots = plans.iter().flat_map(|it| it.quota).max().unwrap_or(0).max(1);
        let places = (blocks.len() * BLOCK) as u64 * u64::from(slots) * u64::from(plan.episode_steps);
        if places >= u64::from(u32::MAX) {
            return Err("more control steps are asked for at once than a GPU counts");
        }
        let flight = Flight { slots, ..flight_of(taken, plan, &policies) };
        let bytes = count * size_of::<f32>();
        Ok(Self { taken, flights, plan, blocks, plans, policies, flight, shared, bytes, variant })
    }

    /// Copies the blocks to a device, with what they point to.
    fn upload_blocks(&self) -> Result<UploadedBlocks, DeviceError> {
        let device = &self.flights.device;
        let num_given = self.taken.layout.num_given;
        let mut given = vec![0.0; self.blocks.len() * num_given * BLOCK];
        given.par_chunks_exact_mut(num_given * BLOCK).zip(self.blocks).for_each(|(given, (_, rows))| {
            let (given, _) = given.as_chunks_mut::<BLOCK>();
            for (given, row) in given.iter_mut().zip(rows.vehicle.iter().chain(&rows.limits)) {
                *given = row.0;
            }
        });
        let given = device.stream.clone_htod(&given).map_err(refused(UPLOAD))?;
        let flying = || self.blocks.iter().map(|(_, rows)| rows).zip(&self.plans);
        let episodes: Vec<u32> = flying()
            .flat_map(|(rows, plan)| [plan.first_episode.unwrap_or(rows.next_episode), plan.quota])
            .flatten()
            .collect();
        let episodes = device.stream.clone_htod(&episodes).map_err(refused(UPLOAD))?;
        let block = |(place, (rows, _)): (usize, (&FlightRows, _))| {
            let [actor, labeller] = self.policies.of_blocks[place].map(|it| it as u32);
            BlockAt {
                given: device.address(&given) + (size_of::<Row>() * num_given * place) as u64,
                episodes: device.address(&episodes) + (2 * size_of::<Row>() * place) as u64,
                first_env: rows.first_env,
                actor,
                labeller,
            }
        };
        let blocks: Vec<BlockAt> = flying().enumerate().map(block).collect();
        let blocks = device.stream.clone_htod(&blocks).map_err(refused(UPLOAD))?;
        Ok(UploadedBlocks { blocks, _given: given, _episodes: episodes })
    }

    /// The episodes of each block.
    fn run(mut self, records: &mut Records) -> Result<Vec<Vec<FlownEpisode>>, Grounded> {
        let device = &self.flights.device;
        let stream = &device.stream;
        let policies = self.policies.upload(device, self.shared)?;
        let blocks = self.upload_blocks()?;
        let envs = self.blocks.len() * BLOCK;
        let slots = envs * self.flight.slots as usize;
        let ended = device.zeros::<Ended>(slots)?;
        let measured = device.zeros::<Measured>(envs)?;
        let lost = device.zeros::<u32>(1)?;
        let width = (self.flight.num_features + self.flight.num_actions) as usize;
        let numbers = slots * self.plan.episode_steps as usize * width;
        let numbers = self.plan.records.as_ref().map_or(0, |_| numbers);
        if numbers > 0 {
            records.prepare(device, numbers)?;
        }
        let keys = self.taken.keys.each_ref().map(|it| device.address(it));
        let [reset_keys, reference_keys, observe_keys, step_keys] = keys;
        self.flight = Flight {
            blocks: device.address(&blocks.blocks),
            policies: device.address(&policies.policies),
            stages: device.address(&policies.stages),
            reset_keys,
            reference_keys,
            observe_keys,
            step_keys,
            ended: device.address(&ended),
            records: records.there.as_ref().filter(|_| numbers > 0).map_or(0, |it| device.address(it)),
            measured: self.plan.measures.as_ref().map_or(0, |_| device.address(&measured)),
            lost: device.address(&lost),
            ..self.flight
        };
        let flight = stream.clone_htod(&[self.flight]).map_err(refused(UPLOAD))?;
        let Variant { lanes, warps, .. } = VARIANTS[self.variant];
        let kernel = self.taken.kernel(self.flights, self.variant)?;
        let mut launch = stream.launch_builder(kernel);
        launch.arg(&flight);
        let config = LaunchConfig {
            grid_dim: ((envs / lanes) as u32, 1, 1),
            block_dim: ((warps * BLOCK) as u32, 1, 1),
            shared_mem_bytes: self.bytes as u32,
        };
        // SAFETY: the parameter is that of the kernel, and what it points to outlives the launch: results are waited for.
        unsafe { launch.launch(config) }.map_err(refused("fly"))?;
        if stream.clone_dtoh(&lost).map_err(refused(DOWNLOAD))? != [0] {
            return Err(Grounded::NotFinite);
        }
        let ended = stream.clone_dtoh(&ended).map_err(refused(DOWNLOAD))?;
        let measured = stream.clone_dtoh(&measured).map_err(refused(DOWNLOAD))?;
        let kept = if numbers > 0 { records.download(device)? } else { &[] };
        Ok(self.episodes(&ended, &measured, kept, width))
    }

    /// What was flown, by block.
    fn episodes(
        &self,
        ended: &[Ended],
        measured: &[Measured],
        records: &[f32],
        width: usize,
    ) -> Vec<Vec<FlownEpisode>> {
        let (slots, steps) = (self.flight.slots as usize, self.plan.episode_steps as usize);
        let of_block = |(place, (_, rows)): (usize, &&(usize, FlightRows))| {
            let lane_of = |lane: usize| {
                let env = place * BLOCK + lane;
                let of_slot = move |slot: usize| {
                    let Ended { length, episode_return, crashed, moving } = ended[env * slots + slot];
                    let first = (env * slots + slot) * steps * width;
                    let own = if records.is_empty() { 0 } else { length as usize * width };
                    let Measured { squared_error, error, squared_action_error, settled } = measured[env];
                    FlownEpisode {
                        env: rows.first_env + lane as u32,
                        length,
                        episode_return,
                        crashed: crashed != 0,
                        is_moving_target: moving != 0,
                        records: records[first.min(records.len())..][..own].to_vec(),
                        measured: MeasuredEpisode {
                            squared_error,
                            error,
                            settled_steps: settled as u32,
                            squared_action_error,
                        },
                    }
                };
                (0..slots).map(of_slot).take_while(|it| it.length > 0)
            };
            (0..BLOCK).flat_map(lane_of).collect()
        };
        self.blocks.par_iter().enumerate().map(of_block).collect()
    }
}

/// Bytes of shared memory that the kernel takes for itself.
const RESERVED: usize = 4096;

struct UploadedBlocks {
    blocks: CudaSlice<BlockAt>,
    _given: CudaSlice<f32>,
    _episodes: CudaSlice<u32>,
}

/// What the kernel has to know of the frame and the plan.
fn flight_of(taken: &Taken, plan: &EpisodePlan, policies: &Policies) -> Flight {
    let Taken { layout, formulas, .. } = taken;
    let row = |name: &str| layout.row(name) as u32;
    let features = plan.records.clone().unwrap_or_default();
    let observed = plan.measures.as_ref().and_then(|it| it.position_error.clone());
    let [position, target] = formulas.positions.map(|it| it as u32);
    // Row 0 is no position: nothing is subtracted from what is observed.
    let [error, error_of] = observed.map_or_else(
        || [row("state") + position, row("reference") + target],
        |features| [row("observation") + features.start as u32, 0],
    );
    Flight {
        num_rows: policies.num_rows as u32,
        given: row("vehicle"),
        num_given: layout.num_given as u32,
        observation: row("observation"),
        num_observations: layout.num_observations as u32,
        terms: row("terms"),
        num_terms: layout.num_terms as u32,
        causes: row("causes"),
        num_causes: layout.num_causes as u32,
        cuts: formulas.cuts as u32,
        moving: row("moving"),
        action: row("action"),
        label: row("label"),
        num_actions: layout.num_actions as u32,
        states: policies.states.start as u32,
        num_states: policies.states.len() as u32,
        time_limit: formulas.time_limit,
        episode_steps: plan.episode_steps,
        features: row("observation") + features.start as u32,
        num_features: features.len() as u32,
        settle: plan.measures.as_ref().map_or(0, |it| it.settle),
        error,
        error_of,
        reference_moves_first: formulas.reference_moves_first.into(),
        has_labels: policies.has_labels.into(),
        ..Flight::default()
    }
}
