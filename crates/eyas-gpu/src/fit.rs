//! A student fitted on a GPU.

#![allow(unsafe_code, reason = "kernels are launched with parameters that the driver cannot check")]

use std::collections::HashMap;
use std::fmt;

use cudarc::driver::sys::{CUdevice_attribute, CUfunction_attribute};
use cudarc::driver::{CudaFunction, CudaSlice, DeviceRepr, LaunchConfig, PinnedHostSlice, PushKernelArg};
use cudarc::nvrtc::Ptx;
use eyas_lanes::BLOCK;
use eyas_learn::NotFinite;
use eyas_learn::distill::{
    Dataset, EpochData, FitError, Fitter, SHARD_BLOCKS, Sequence, blocks_of, power_of_two, scale_of,
    shards_of,
};
use eyas_policy::{Activation, Adam, Architecture, Linear, Network, Trainer, Untrainable};
use rayon::prelude::*;

use crate::device::{Device, DeviceError, refused};

/// `kernels/fit.cu`, compiled by `kernels/build.py`.
const KERNELS: &str = include_str!("../kernels/fit.ptx");

/// Outputs that a warp computes at once: `TILE` of the kernels.
const TILE: usize = 8;

/// What a thread block has of a weight's gradient: outputs and inputs.
const GRADIENT_TILE: [usize; 2] = [16, 32];

/// Warps that share a tile of a weight's gradient, and the shared memory in which they keep samples: `GROUPS` chunks of
/// the kernels.
const GRADIENT_WARPS: u32 = 8;
const GRADIENT_MEMORY: usize =
    4 * size_of::<f32>() * (GRADIENT_TILE[0] + GRADIENT_TILE[1]) * (CHUNK * BLOCK + 4);

/// Blocks whose share of a gradient is summed at once, and of a shard of samples: `CHUNK` of the kernels.
const CHUNK: usize = 4;
const _: () = assert!(SHARD_BLOCKS == CHUNK, "the kernels take shards of as many blocks as chunks");

/// Numbers of a gradient whose squares are summed in single precision.
const STRETCH: usize = 4096;

const WARP: u32 = BLOCK as u32;

/// Tiles of blocks from which on a warp takes four blocks.
const MANY_TILES: u32 = 8192;

/// Widths of a recurrent state for which a thread holds the weights of its unit in registers.
const NARROW: [usize; 2] = [16, 32];

/// Lanes that a thread block takes then: `PART` of the kernels.
const PART: u32 = 8;

/// `Shard` of the kernels.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Shard {
    first: u32,
    blocks: u32,
}

/// `Rows` of the kernels.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Rows {
    data: u64,
    width: u32,
    extra: u32,
    skip: u32,
}

/// `Product` of the kernels.
#[repr(C)]
#[derive(Clone, Copy)]
struct Product {
    packed: u64,
    bias: u64,
    inner: u32,
    outputs: u32,
}

/// `Packing` of the kernels.
#[repr(C)]
#[derive(Clone, Copy)]
struct Packing {
    forward: u64,
    forward_bias: u64,
    backward: u64,
    weight: u32,
    bias: u32,
    outputs: u32,
    inputs: u32,
}

/// `Layer` of the kernels.
#[repr(C)]
#[derive(Clone, Copy)]
struct Layer {
    dy: Rows,
    x: Rows,
    weight: u32,
    bias: u32,
    first_tile: u32,
}

// SAFETY: plain numbers, laid out as the kernels' structs of the same names.
unsafe impl DeviceRepr for Shard {}
// SAFETY: as above.
unsafe impl DeviceRepr for Rows {}
// SAFETY: as above.
unsafe impl DeviceRepr for Product {}
// SAFETY: as above.
unsafe impl DeviceRepr for Packing {}
// SAFETY: as above.
unsafe impl DeviceRepr for Layer {}

/// Gradient steps on a GPU, with the bits of [`CpuFitter`](eyas_learn::distill::CpuFitter).
pub struct GpuFitter {
    device: Device,
    kernels: Kernels,
    architecture: Architecture,
    encoder: Vec<Packed>,
    /// What the input and the state add to the gates.
    core: Option<[Packed; 2]>,
    head: Vec<Packed>,
    /// Where they all are packed.
    packings: CudaSlice<Packing>,
    learned: Parameters,
    records: Records,
    /// Working memory for the largest batch so far.
    workspace: Option<Workspace>,
    /// Bytes of shared memory that a thread block may have.
    shared_memory: usize,
}

impl fmt::Debug for GpuFitter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GpuFitter").field("architecture", &self.architecture).finish_non_exhaustive()
    }
}

/// A student cannot be fitted on a GPU.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfittable {
    /// For the GPU.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// For its network.
    #[error(transparent)]
    Untrainable(#[from] Untrainable),
    /// A recurrent state lies in the memory that the threads of a block share.
    #[error("a GRU of {width} units needs {needed} bytes of a GPU's shared memory, which has {available}")]
    TooWide {
        /// Its units.
        width: usize,
        /// What it needs.
        needed: usize,
        /// What there is.
        available: usize,
    },
}

struct Kernels {
    pack: CudaFunction,
    gather: CudaFunction,
    /// With one block a warp, and with four.
    dense: [CudaFunction; 2],
    gru_forward: CudaFunction,
    gru_backward: CudaFunction,
    squared_error: CudaFunction,
    sum_losses: CudaFunction,
    weight_gradients: CudaFunction,
    sum_shards: CudaFunction,
    norm_of: CudaFunction,
    adam: CudaFunction,
}

impl Kernels {
    /// Those for a recurrent state of that width, if there is one.
    fn new(device: &Device, width: Option<usize>) -> Result<Self, DeviceError> {
        let module =
            device.context.load_module(Ptx::from_src(KERNELS)).map_err(refused("take its kernels"))?;
        let find = |name: &str| module.load_function(name).map_err(refused("find a kernel"));
        let of_width = width.filter(|it| NARROW.contains(it)).map_or(String::new(), |it| format!("_{it}"));
        Ok(Self {
            pack: find("pack")?,
            gather: find("gather")?,
            dense: [find("dense_1")?, find("dense_4")?],
            gru_forward: find(&format!("gru_forward{of_width}"))?,
            gru_backward: find(&format!("gru_backward{of_width}"))?,
            squared_error: find("squared_error")?,
            sum_losses: find("sum_losses")?,
            weight_gradients: find("weight_gradients")?,
            sum_shards: find("sum_shards")?,
            norm_of: find("norm_of")?,
            adam: find("adam")?,
        })
    }
}

/// A layer's weights as products read them, in both directions.
struct Packed {
    layer: Linear,
    forward: CudaSlice<f32>,
    bias: CudaSlice<f32>,
    backward: CudaSlice<f32>,
}

impl Packed {
    fn new(device: &Device, layer: Linear) -> Result<Self, DeviceError> {
        let [wide, deep] = [layer.outputs, layer.inputs].map(|it| it.next_multiple_of(TILE));
        Ok(Self {
            forward: device.zeros(layer.inputs * wide)?,
            bias: device.zeros(wide)?,
            backward: device.zeros(layer.outputs * deep)?,
            layer,
        })
    }

    fn packing(&self, device: &Device) -> Packing {
        let Linear { inputs, outputs, weight, bias } = &self.layer;
        Packing {
            forward: device.address(&self.forward),
            forward_bias: device.address(&self.bias),
            backward: device.address(&self.backward),
            weight: weight.start as u32,
            bias: bias.start as u32,
            outputs: *outputs as u32,
            inputs: *inputs as u32,
        }
    }

    /// `W x + b`.
    fn forward(&self, device: &Device) -> Product {
        Product {
            packed: device.address(&self.forward),
            bias: device.address(&self.bias),
            inner: self.layer.inputs as u32,
            outputs: self.layer.outputs as u32,
        }
    }

    /// `Wᵀ y`.
    fn backward(&self, device: &Device) -> Product {
        Product {
            packed: device.address(&self.backward),
            bias: 0,
            inner: self.layer.outputs as u32,
            outputs: self.layer.inputs as u32,
        }
    }
}

/// Parameters, their moments, and the sum of their gradients.
struct Parameters {
    values: CudaSlice<f32>,
    exp_avg: CudaSlice<f32>,
    exp_avg_sq: CudaSlice<f32>,
    gradient: CudaSlice<f32>,
    totals: CudaSlice<f64>,
    factor: CudaSlice<f32>,
}

impl Parameters {
    fn new(device: &Device, count: usize) -> Result<Self, DeviceError> {
        Ok(Self {
            values: device.zeros(count)?,
            exp_avg: device.zeros(count)?,
            exp_avg_sq: device.zeros(count)?,
            gradient: device.zeros(count)?,
            totals: device.zeros(2 * count.div_ceil(STRETCH))?,
            factor: device.zeros(1)?,
        })
    }
}

/// Records of the episodes of a dataset, in pieces of as many episodes as came together.
#[derive(Default)]
struct Records {
    pieces: Vec<CudaSlice<f32>>,
    /// Numbers in all pieces.
    held: usize,
    /// Where the records of an episode lie, by its [id](Dataset::ids).
    places: HashMap<u64, u64>,
    /// Memory that the device reads without help of the processor.
    staging: Option<PinnedHostSlice<f32>>,
}

/// Most numbers that are staged at once: 64 MB.
const STAGED: usize = 1 << 24;

impl Records {
    /// Copies what is not there yet. Gives where the records of each episode lie.
    fn follow(&mut self, device: &Device, dataset: &Dataset) -> Result<Vec<u64>, DeviceError> {
        let live: usize = dataset.episodes.iter().map(|it| it.records.len()).sum();
        let episodes = || dataset.ids().iter().zip(&dataset.episodes);
        let is_missing = |places: &HashMap<u64, u64>, id| !places.contains_key(id);
        let missing: usize =
            episodes().filter(|(id, _)| is_missing(&self.places, *id)).map(|(_, it)| it.records.len()).sum();
        // Pieces are given back all at once, when most of what they hold is forgotten.
        if self.held + missing > 2 * live {
            self.pieces.clear();
            self.places.clear();
            self.held = 0;
        }
        let missing: Vec<(u64, &[f32])> = episodes()
            .filter(|(id, _)| is_missing(&self.places, *id))
            .map(|(id, episode)| (*id, &episode.records[..]))
            .collect();
        for (id, place) in self.add(device, &missing)? {
            self.places.insert(id, place);
        }
        // Every episode of the dataset has its place now.
        Ok(dataset.ids().iter().map(|id| self.places.get(id).copied().unwrap_or_default()).collect())
    }

    /// A piece of these episodes.
    fn add(&mut self, device: &Device, episodes: &[(u64, &[f32])]) -> Result<Vec<(u64, u64)>, DeviceError> {
        let numbers = |episodes: &[(u64, &[f32])]| episodes.iter().map(|(_, it)| it.len()).sum::<usize>();
        let total = numbers(episodes);
        if total == 0 {
            return Ok(Vec::new());
        }
        let mut piece = device.zeros::<f32>(total)?;
        let start = device.address(&piece);
        let (mut placed, mut end) = (Vec::new(), 0);
        let mut rest = episodes;
        while !rest.is_empty() {
            // As many as are staged at once, and at least one.
            let mut sum = 0;
            let fits = |(_, it): &&(u64, &[f32])| {
                sum += it.len();
                sum <= STAGED
            };
            let (now, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            rest = later;
            let first = end;
            for (id, records) in now {
                placed.push((*id, start + 4 * end as u64));
                end += records.len();
            }
            let staged = self.stage(device, now)?;
            let mut target = piece.slice_mut(first..end);
            device.stream.memcpy_htod(staged, &mut target).map_err(refused("copy a dataset to it"))?;
        }
        self.held += total;
        self.pieces.push(piece);
        Ok(placed)
    }

    /// The records of episodes one after the other, once the device has read what was staged before.
    fn stage(&mut self, device: &Device, episodes: &[(u64, &[f32])]) -> Result<&[f32], DeviceError> {
        let total = episodes.iter().map(|(_, it)| it.len()).sum::<usize>();
        device.stream.synchronize().map_err(refused("copy a dataset to it"))?;
        if self.staging.as_ref().is_none_or(|it| it.len() < total) {
            self.staging = None;
            // SAFETY: whatever numbers are there, they are written before they are read.
            let memory = unsafe { device.context.alloc_pinned::<f32>(total) };
            self.staging = Some(memory.map_err(refused("lock memory of the host"))?);
        }
        let Some(staging) = &mut self.staging else { return Ok(&[]) };
        let mut rest = staging.as_mut_slice().map_err(refused("copy a dataset to it"))?;
        let mut copies = Vec::new();
        for (_, records) in episodes {
            let (target, later) = rest.split_at_mut(records.len());
            copies.push((target, *records));
            rest = later;
        }
        copies.into_par_iter().for_each(|(target, records)| target.copy_from_slice(records));
        let staged = self.staging.as_ref().map(|it| it.as_slice()).transpose();
        let staged = staged.map_err(refused("copy a dataset to it"))?;
        Ok(staged.map_or(&[], |it| &it[..total]))
    }
}

/// Rows of all blocks of a batch, for so many blocks and shards.
struct Workspace {
    blocks: usize,
    shards: usize,
    input: Rows,
    label: Rows,
    weight: Rows,
    /// The output of each layer, and the derivatives with respect to its sums.
    encoder: Vec<[Rows; 2]>,
    head: Vec<[Rows; 2]>,
    core: Option<CoreRows>,
    /// Of each block.
    losses: CudaSlice<f32>,
    of_shards: CudaSlice<f64>,
    gradients: CudaSlice<f32>,
    layers: CudaSlice<Layer>,
    num_layers: u32,
    num_tiles: u32,
    /// What all rows lie in.
    _memory: CudaSlice<f32>,
}

#[derive(Clone, Copy)]
struct CoreRows {
    from_input: Rows,
    gates: Rows,
    before: Rows,
    after: Rows,
    d_hidden: Rows,
    d_input: Rows,
    d_state: Rows,
}

/// Lays rows out one after the other.
struct Layout {
    blocks: usize,
    shards: usize,
    numbers: usize,
}

impl Layout {
    /// Rows whose `data` is their place yet.
    fn rows(&mut self, width: usize, extra: usize) -> Rows {
        let data = self.numbers as u64;
        self.numbers += width * BLOCK * (self.blocks + extra * self.shards);
        Rows { data, width: width as u32, extra: extra as u32, skip: 0 }
    }
}

/// Warps of a thread block that takes `units` in turns.
fn warps(units: usize, most: usize) -> u32 {
    units.clamp(1, most) as u32
}

impl GpuFitter {
    /// Prepares to fit a network of that shape.
    ///
    /// # Errors
    ///
    /// If a part of the network has no backward pass or no room, or the driver refuses.
    pub fn new(device: &Device, architecture: &Architecture) -> Result<Self, Unfittable> {
        // The CPU's rules of what can be trained.
        Trainer::new(architecture)?;
        let packed = |layers: Vec<Linear>| -> Result<Vec<Packed>, DeviceError> {
            layers.into_iter().map(|it| Packed::new(device, it)).collect()
        };
        let core = architecture.core_layers().into_iter().next().map(|layer| {
            let outputs = 3 * layer.width;
            let linear = |inputs, weight, bias| Linear { inputs, outputs, weight, bias };
            let input = linear(layer.inputs, layer.weight_ih, layer.bias_ih);
            let state = linear(layer.width, layer.weight_hh, layer.bias_hh);
            Ok::<_, DeviceError>([Packed::new(device, input)?, Packed::new(device, state)?])
        });
        let attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let shared_memory = device.context.attribute(attribute).map_err(refused("tell its shared memory"))?;
        let kernels = Kernels::new(device, architecture.core.map(|it| it.width))?;
        let (encoder, core, head) =
            (packed(architecture.encoder_layers())?, core.transpose()?, packed(architecture.head_layers())?);
        let packings = encoder.iter().chain(core.iter().flatten()).chain(&head).map(|it| it.packing(device));
        let packings: Vec<Packing> = packings.collect();
        let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        let lend = |kernel: &CudaFunction, bytes: i32| {
            kernel.set_attribute(most, bytes).map_err(refused("lend its shared memory"))
        };
        lend(&kernels.weight_gradients, GRADIENT_MEMORY as i32)?;
        lend(&kernels.dense[1], 4 * 8 * (2 * size_of::<f32>() * TILE * BLOCK) as i32)?;
        let fitter = Self {
            packings: device.stream.clone_htod(&packings).map_err(refused("copy a table to it"))?,
            kernels,
            encoder,
            core,
            head,
            learned: Parameters::new(device, architecture.num_parameters())?,
            records: Records::default(),
            workspace: None,
            shared_memory: usize::try_from(shared_memory).unwrap_or(0),
            architecture: architecture.clone(),
            device: device.clone(),
        };
        if let Some(core) = architecture.core.filter(|it| !NARROW.contains(&it.width)) {
            let (needed, available) = (4 * core.width * BLOCK * size_of::<f32>(), fitter.shared_memory);
            if needed > available {
                return Err(Unfittable::TooWide { width: core.width, needed, available });
            }
            for kernel in [&fitter.kernels.gru_forward, &fitter.kernels.gru_backward] {
                lend(kernel, shared_memory)?;
            }
        }
        Ok(fitter)
    }

    fn is_recurrent(&self) -> bool {
        self.architecture.core.is_some()
    }

    /// Makes room for a batch.
    fn reserve(&mut self, blocks: usize, shards: usize) -> Result<(), DeviceError> {
        let (mut blocks, mut shards) = (blocks, shards);
        if let Some(it) = &self.workspace {
            if it.blocks >= blocks && it.shards >= shards {
                return Ok(());
            }
            (blocks, shards) = (blocks.max(it.blocks), shards.max(it.shards));
        }
        self.workspace = None;
        self.workspace = Some(self.new_workspace(blocks, shards)?);
        Ok(())
    }

    fn new_workspace(&self, blocks: usize, shards: usize) -> Result<Workspace, DeviceError> {
        let device = &self.device;
        let mut layout = Layout { blocks, shards, numbers: 0 };
        let Architecture { inputs, outputs, .. } = self.architecture;
        let mut input = layout.rows(inputs, 0);
        let mut label = layout.rows(outputs, 0);
        let mut weight = layout.rows(1, 0);
        let mut pairs = |layers: &[Packed]| -> Vec<[Rows; 2]> {
            layers.iter().map(|it| [0, 1].map(|_| layout.rows(it.layer.outputs, 0))).collect()
        };
        let mut encoder = pairs(&self.encoder);
        let mut head = pairs(&self.head);
        let mut core = self.architecture.core.map(|core| {
            let width = core.width;
            let before = layout.rows(width, 1);
            CoreRows {
                from_input: layout.rows(3 * width, 0),
                gates: layout.rows(4 * width, 0),
                before,
                after: Rows { skip: 1, ..before },
                d_hidden: layout.rows(width, 0),
                d_input: layout.rows(3 * width, 0),
                d_state: layout.rows(3 * width, 0),
            }
        });
        let memory = device.zeros::<f32>(layout.numbers)?;
        let start = device.address(&memory);
        let place = |rows: &mut Rows| rows.data = start + 4 * rows.data;
        [&mut input, &mut label, &mut weight].into_iter().for_each(place);
        encoder.iter_mut().chain(&mut head).flatten().for_each(place);
        if let Some(it) = &mut core {
            let CoreRows { from_input, gates, before, after, d_hidden, d_input, d_state } = it;
            [from_input, gates, before, after, d_hidden, d_input, d_state].into_iter().for_each(place);
        }
        let mut layers = Vec::new();
        let mut add = |packed: &Packed, dy: Rows, x: Rows| {
            let Linear { inputs, outputs, weight, bias } = &packed.layer;
            let first_tile =
                layers.last().map_or(0, |(layer, tiles): &(Layer, u32)| layer.first_tile + tiles);
            let tiles = outputs.div_ceil(GRADIENT_TILE[0]) * inputs.div_ceil(GRADIENT_TILE[1]);
            let (weight, bias) = (weight.start as u32, bias.start as u32);
            layers.push((Layer { dy, x, weight, bias, first_tile }, tiles as u32));
        };
        let mut x = input;
        for (packed, [y, dy]) in self.encoder.iter().zip(&encoder) {
            add(packed, *dy, x);
            x = *y;
        }
        if let (Some([from_input, from_state]), Some(rows)) = (&self.core, &core) {
            add(from_input, rows.d_input, x);
            add(from_state, rows.d_state, rows.before);
            x = rows.after;
        }
        for (packed, [y, dy]) in self.head.iter().zip(&head) {
            add(packed, *dy, x);
            x = *y;
        }
        let num_tiles = layers.last().map_or(0, |(layer, tiles)| layer.first_tile + tiles);
        let layers: Vec<Layer> = layers.into_iter().map(|(layer, _)| layer).collect();
        Ok(Workspace {
            blocks,
            shards,
            input,
            label,
            weight,
            encoder,
            head,
            core,
            losses: device.zeros(blocks)?,
            of_shards: device.zeros(shards)?,
            gradients: device.zeros(shards * self.architecture.num_parameters())?,
            num_layers: layers.len() as u32,
            layers: device.stream.clone_htod(&layers).map_err(refused("copy a table to it"))?,
            num_tiles,
            _memory: memory,
        })
    }

    /// Packs the weights of all layers.
    fn pack(&self) -> Result<(), DeviceError> {
        let layers =
            || self.encoder.iter().chain(self.core.iter().flatten()).chain(&self.head).map(|it| &it.layer);
        let numbers = |it: &Linear| it.outputs.next_multiple_of(TILE) * it.inputs.next_multiple_of(TILE);
        let mut config = for_each(layers().map(numbers).max().unwrap_or(0));
        config.grid_dim.1 = layers().count() as u32;
        let mut launch = self.device.stream.launch_builder(&self.kernels.pack);
        launch.arg(&self.learned.values).arg(&self.packings);
        // SAFETY: the parameters are those of the kernel, and the memory of the layers' shapes.
        unsafe { launch.launch(config) }.map_err(refused("pack weights"))?;
        Ok(())
    }

    /// One layer, after which comes an activation; or, given the values `at` of one, what goes back before it.
    fn dense(
        &self,
        batch: &Batch,
        product: Product,
        [x, y]: [Rows; 2],
        follows: Follows,
    ) -> Result<(), DeviceError> {
        let (activation, at) = match follows {
            Follows::Nothing => (Activation::Identity, Rows::default()),
            Follows::Value(activation) => (activation, Rows::default()),
            Follows::Slope(activation, at) => (activation, at),
        };
        let activation = activation as u32;
        let tiles = (product.outputs as usize).div_ceil(TILE);
        // Weights that are read for four blocks at once cost less, if there is enough to do for all processors.
        let takes_four = tiles as u32 * batch.num_shards * batch.most_blocks > MANY_TILES;
        let mut launch = self.device.stream.launch_builder(&self.kernels.dense[usize::from(takes_four)]);
        launch.arg(&batch.table).arg(&product).arg(&x).arg(&y).arg(&activation).arg(&at);
        let mut config = batch.each_block(warps(tiles, 8));
        let blocks = if takes_four { 4 } else { 1 };
        config.grid_dim.0 = config.grid_dim.0.div_ceil(blocks);
        // Of each warp its sums, and what the slopes follow from.
        config.shared_mem_bytes = blocks * config.block_dim.1 * (2 * size_of::<f32>() * TILE * BLOCK) as u32;
        config.grid_dim.2 = tiles.div_ceil(8) as u32;
        // SAFETY: the parameters are those of the kernel, and the rows have room for all blocks of the batch.
        unsafe { launch.launch(config) }.map_err(refused("compute a layer"))?;
        Ok(())
    }

    fn gather(
        &self,
        batch: &Batch,
        factors: &CudaSlice<f32>,
        workspace: &Workspace,
    ) -> Result<(), DeviceError> {
        let is_recurrent = u32::from(self.is_recurrent());
        let Workspace { input, label, weight, .. } = workspace;
        let mut launch = self.device.stream.launch_builder(&self.kernels.gather);
        launch.arg(&batch.table).arg(&batch.records).arg(&batch.lengths).arg(&is_recurrent).arg(factors);
        launch.arg(input).arg(label).arg(weight);
        // SAFETY: as for a layer; the addresses are those of whole records.
        unsafe { launch.launch(batch.each_block(8)) }.map_err(refused("gather a batch"))?;
        Ok(())
    }

    /// All layers forward. Gives the rows of the actions.
    fn forward(&self, batch: &Batch, workspace: &Workspace) -> Result<Rows, DeviceError> {
        let device = &self.device;
        let activation = self.architecture.activation;
        let mut x = workspace.input;
        for (packed, [y, _]) in self.encoder.iter().zip(&workspace.encoder) {
            self.dense(batch, packed.forward(device), [x, *y], Follows::Value(activation))?;
            x = *y;
        }
        if let (Some([from_input, from_state]), Some(rows)) = (&self.core, &workspace.core) {
            self.dense(batch, from_input.forward(device), [x, rows.from_input], Follows::Nothing)?;
            let product = from_state.forward(device);
            let state = 2 * rows.before.width as usize * BLOCK;
            let (config, fits) = self.through_time(batch, state, from_state.forward.len(), rows.before.width);
            let mut launch = device.stream.launch_builder(&self.kernels.gru_forward);
            launch.arg(&batch.table).arg(&product).arg(&rows.from_input).arg(&rows.gates).arg(&rows.before);
            launch.arg(&fits);
            // SAFETY: as for a layer, with the shared memory that the kernel uses.
            unsafe { launch.launch(config) }.map_err(refused("go through time"))?;
            x = rows.after;
        }
        let last = self.head.len() - 1;
        for (index, (packed, [y, _])) in self.head.iter().zip(&workspace.head).enumerate() {
            let follows = if index == last { Follows::Nothing } else { Follows::Value(activation) };
            self.dense(batch, packed.forward(device), [x, *y], follows)?;
            x = *y;
        }
        Ok(x)
    }

    /// All layers back, given the gradient of the actions.
    fn backward(&self, batch: &Batch, workspace: &Workspace) -> Result<(), DeviceError> {
        let device = &self.device;
        let activation = self.architecture.activation;
        // What a layer's input is, where derivatives with respect to it are asked for.
        let of_encoder = workspace.encoder.last().map(|[y, dy]| (*dy, Follows::Slope(activation, *y)));
        let of_core = workspace.core.map(|rows| (rows.d_hidden, Follows::Nothing));
        let before_head = of_core.or(of_encoder);
        for (index, (packed, [_, dy])) in self.head.iter().zip(&workspace.head).enumerate().rev() {
            let before = match index.checked_sub(1) {
                Some(index) => {
                    let [y, dy] = workspace.head[index];
                    Some((dy, Follows::Slope(activation, y)))
                }
                None => before_head,
            };
            if let Some((dx, follows)) = before {
                self.dense(batch, packed.backward(device), [*dy, dx], follows)?;
            }
        }
        if let (Some([from_input, from_state]), Some(rows)) = (&self.core, &workspace.core) {
            let product = from_state.backward(device);
            let kept = 4 * rows.before.width as usize * BLOCK;
            let (config, fits) = self.through_time(batch, kept, from_state.backward.len(), rows.before.width);
            let mut launch = device.stream.launch_builder(&self.kernels.gru_backward);
            launch.arg(&batch.table).arg(&product).arg(&rows.gates).arg(&rows.before).arg(&rows.d_hidden);
            launch.arg(&rows.d_input).arg(&rows.d_state).arg(&fits);
            // SAFETY: as for a layer, with the shared memory that the kernel uses.
            unsafe { launch.launch(config) }.map_err(refused("go back through time"))?;
            if let Some((dx, follows)) = of_encoder {
                self.dense(batch, from_input.backward(device), [rows.d_input, dx], follows)?;
            }
        }
        for (index, packed) in self.encoder.iter().enumerate().skip(1).rev() {
            let ([_, dy], [y, dx]) = (workspace.encoder[index], workspace.encoder[index - 1]);
            self.dense(batch, packed.backward(device), [dy, dx], Follows::Slope(activation, y))?;
        }
        Ok(())
    }

    /// How a recurrent layer is launched, and whether its weights fit beside so many numbers of shared memory.
    fn through_time(&self, batch: &Batch, numbers: usize, weights: usize, width: u32) -> (LaunchConfig, u32) {
        if NARROW.contains(&(width as usize)) {
            let config = LaunchConfig {
                grid_dim: (batch.num_shards, WARP / PART, 1),
                block_dim: (PART, width, 1),
                shared_mem_bytes: 0,
            };
            return (config, 0);
        }
        let fits = 4 * (numbers + weights) <= self.shared_memory;
        let config = LaunchConfig {
            grid_dim: (batch.num_shards, 1, 1),
            block_dim: (WARP, warps(width as usize, 32), 1),
            shared_mem_bytes: 4 * (numbers + if fits { weights } else { 0 }) as u32,
        };
        (config, u32::from(fits))
    }

    /// The loss of a batch, whose gradient with respect to the actions is left in their rows.
    fn squared_error(&self, batch: &Batch, actions: Rows, workspace: &Workspace) -> Result<(), DeviceError> {
        let Workspace { label, weight, losses, head, of_shards, .. } = workspace;
        let of_actions = head.last().map_or(actions, |[_, dy]| *dy);
        let mut launch = self.device.stream.launch_builder(&self.kernels.squared_error);
        launch.arg(&batch.table).arg(&actions).arg(label).arg(weight).arg(&of_actions).arg(&batch.scale);
        launch.arg(losses);
        // SAFETY: as for a layer.
        unsafe { launch.launch(batch.each_block(1)) }.map_err(refused("compute a loss"))?;
        let mut launch = self.device.stream.launch_builder(&self.kernels.sum_losses);
        launch.arg(&batch.table).arg(losses).arg(of_shards);
        let a_shard_each = LaunchConfig { grid_dim: (batch.num_shards, 1, 1), ..one_block(WARP) };
        // SAFETY: the shards are those that there is room for.
        unsafe { launch.launch(a_shard_each) }.map_err(refused("sum a loss"))?;
        Ok(())
    }

    /// The gradient of the parameters, its norm, and the loss of the batch, for both of which there is a place.
    fn gradient(
        &self,
        batch: &Batch,
        workspace: &Workspace,
        most: f32,
        [norm, loss]: [u64; 2],
    ) -> Result<(), DeviceError> {
        let count = self.architecture.num_parameters() as u32;
        let Workspace { layers, num_layers, num_tiles, gradients, of_shards, .. } = workspace;
        let Parameters { gradient, totals, factor, .. } = &self.learned;
        let stream = &self.device.stream;
        let mut launch = stream.launch_builder(&self.kernels.weight_gradients);
        launch.arg(&batch.table).arg(layers).arg(num_layers).arg(&count).arg(gradients);
        let config = LaunchConfig {
            grid_dim: (*num_tiles, batch.num_shards, 1),
            block_dim: (WARP, GRADIENT_WARPS, 1),
            shared_mem_bytes: GRADIENT_MEMORY as u32,
        };
        // SAFETY: every shard has its gradients, every layer its tiles.
        unsafe { launch.launch(config) }.map_err(refused("compute a gradient"))?;
        let mut launch = stream.launch_builder(&self.kernels.sum_shards);
        launch.arg(gradients).arg(&batch.num_shards).arg(&count).arg(gradient);
        // SAFETY: as above.
        unsafe { launch.launch(for_each(count as usize)) }.map_err(refused("sum gradients"))?;
        let mut launch = stream.launch_builder(&self.kernels.norm_of);
        launch.arg(gradient).arg(&count).arg(&most).arg(totals).arg(&norm).arg(factor);
        launch.arg(of_shards).arg(&batch.num_shards).arg(&loss);
        // SAFETY: there are two totals of every stretch, and norm and loss have their places.
        unsafe { launch.launch(one_block(1024)) }.map_err(refused("find a gradient's norm"))?;
        Ok(())
    }

    fn update(&self, [step_size, root_correction]: [f32; 2], lost: u64) -> Result<(), DeviceError> {
        let count = self.architecture.num_parameters() as u32;
        let Parameters { values, exp_avg, exp_avg_sq, gradient, factor, .. } = &self.learned;
        let mut launch = self.device.stream.launch_builder(&self.kernels.adam);
        launch.arg(values).arg(gradient).arg(exp_avg).arg(exp_avg_sq).arg(&count).arg(factor);
        launch.arg(&step_size).arg(&root_correction).arg(&lost);
        // SAFETY: all are as long as the parameters, and `lost` is the place of a number.
        unsafe { launch.launch(for_each(count as usize)) }.map_err(refused("update parameters"))?;
        Ok(())
    }

    fn fit_on_device(
        &mut self,
        network: &mut Network,
        optimizer: &mut Adam,
        data: &EpochData,
    ) -> Result<Results, DeviceError> {
        let stream = self.device.stream.clone();
        let places = self.records.follow(&self.device, data.dataset)?;
        let tables = Tables::new(data, &places, self.is_recurrent());
        let most = |count: fn(&Range) -> u32| tables.batches.iter().map(count).max().unwrap_or(0) as usize;
        self.reserve(most(|it| it.blocks), most(|it| it.num_shards))?;
        let to_device = refused("copy numbers to it");
        let sources = [&network.parameters, &optimizer.exp_avg, &optimizer.exp_avg_sq];
        let Parameters { values, exp_avg, exp_avg_sq, .. } = &mut self.learned;
        for (target, source) in [&mut *values, exp_avg, exp_avg_sq].into_iter().zip(sources) {
            stream.memcpy_htod(source, target).map_err(&to_device)?;
        }
        let factors: Vec<f32> = data.exponents.iter().map(|it| power_of_two(-it)).collect();
        let factors = stream.clone_htod(&factors).map_err(&to_device)?;
        let shards = stream.clone_htod(&tables.shards).map_err(&to_device)?;
        let records = stream.clone_htod(&tables.records).map_err(&to_device)?;
        let lengths = stream.clone_htod(&tables.lengths).map_err(&to_device)?;
        let count = tables.batches.len();
        let losses = self.device.zeros::<f64>(count)?;
        let norms = self.device.zeros::<f32>(count)?;
        let lost = self.device.zeros::<u32>(count)?;
        let [of_shards, of_records, of_lengths] =
            [self.device.address(&shards), self.device.address(&records), self.device.address(&lengths)];
        let [loss, norm, is_lost] =
            [self.device.address(&losses), self.device.address(&norms), self.device.address(&lost)];
        if let Some(workspace) = &self.workspace {
            for (index, range) in tables.batches.iter().enumerate() {
                let (first, index) = (u64::from(range.first_shard), index as u64);
                let lanes = first * tables.lanes as u64;
                let batch = Batch {
                    table: of_shards + first * size_of::<Shard>() as u64,
                    records: of_records + 8 * lanes,
                    lengths: of_lengths + 4 * lanes,
                    num_shards: range.num_shards,
                    most_blocks: range.most_blocks,
                    scale: range.scale,
                };
                self.pack()?;
                self.gather(&batch, &factors, workspace)?;
                let actions = self.forward(&batch, workspace)?;
                self.squared_error(&batch, actions, workspace)?;
                self.backward(&batch, workspace)?;
                let places = [norm + 4 * index, loss + 8 * index];
                self.gradient(&batch, workspace, data.max_grad_norm, places)?;
                let step = optimizer.begin_step(data.learning_rate);
                self.update(step, is_lost + 4 * index)?;
            }
        }
        let to_host = refused("fit a student");
        let Parameters { values, exp_avg, exp_avg_sq, .. } = &self.learned;
        stream.memcpy_dtoh(values, &mut network.parameters).map_err(&to_host)?;
        stream.memcpy_dtoh(exp_avg, &mut optimizer.exp_avg).map_err(&to_host)?;
        stream.memcpy_dtoh(exp_avg_sq, &mut optimizer.exp_avg_sq).map_err(&to_host)?;
        let mut results = Results {
            losses: stream.clone_dtoh(&losses).map_err(&to_host)?,
            norms: stream.clone_dtoh(&norms).map_err(&to_host)?,
            lost: stream.clone_dtoh(&lost).map_err(&to_host)?,
        };
        stream.synchronize().map_err(&to_host)?;
        results.losses.truncate(count);
        Ok(results)
    }
}

/// What the batches of an epoch came to.
struct Results {
    losses: Vec<f64>,
    norms: Vec<f32>,
    lost: Vec<u32>,
}

impl Fitter for GpuFitter {
    fn fit(
        &mut self,
        network: &mut Network,
        optimizer: &mut Adam,
        data: &EpochData,
    ) -> Result<Vec<f64>, FitError> {
        let results = self.fit_on_device(network, optimizer, data).map_err(|error| FitError::Device {
            hint: error.hint().to_owned(),
            message: error.to_string(),
        })?;
        for ((loss, norm), lost) in results.losses.iter().zip(&results.norms).zip(&results.lost) {
            let name = match (*loss as f32, norm, lost) {
                (loss, ..) if !loss.is_finite() => "loss",
                (_, norm, _) if !norm.is_finite() => "norm of the gradient",
                (_, _, 1..) => "student's weights",
                _ => continue,
            };
            return Err(NotFinite::Learned(name).into());
        }
        Ok(results.losses)
    }
}

/// What comes after a layer's product.
#[derive(Clone, Copy)]
enum Follows {
    Nothing,
    Value(Activation),
    /// A factor, given what the activation's value was.
    Slope(Activation, Rows),
}

/// Where the tables of a batch lie, and how large it is.
struct Batch {
    table: u64,
    records: u64,
    lengths: u64,
    num_shards: u32,
    most_blocks: u32,
    scale: f32,
}

impl Batch {
    /// A thread block for each block of each shard.
    fn each_block(&self, warps: u32) -> LaunchConfig {
        LaunchConfig {
            grid_dim: (self.most_blocks.max(1), self.num_shards, 1),
            block_dim: (WARP, warps, 1),
            shared_mem_bytes: 0,
        }
    }
}

/// A thread for each of so many numbers.
fn for_each(count: usize) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (count.div_ceil(256).max(1) as u32, 1, 1),
        block_dim: (256, 1, 1),
        shared_mem_bytes: 0,
    }
}

fn one_block(threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (1, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

/// The batches of an epoch as the kernels read them.
struct Tables {
    shards: Vec<Shard>,
    /// Where the first record of each lane of each shard lies.
    records: Vec<u64>,
    /// Records of each lane; 0 for one without.
    lengths: Vec<u32>,
    /// Lanes of a shard.
    lanes: usize,
    batches: Vec<Range>,
}

/// A batch in the tables.
struct Range {
    first_shard: u32,
    num_shards: u32,
    /// Blocks of all shards, and of the longest.
    blocks: u32,
    most_blocks: u32,
    scale: f32,
}

impl Tables {
    /// Given where the records of each episode lie.
    fn new(data: &EpochData, places: &[u64], is_recurrent: bool) -> Self {
        let lanes = if is_recurrent { BLOCK } else { SHARD_BLOCKS * BLOCK };
        let mut tables =
            Self { shards: Vec::new(), records: Vec::new(), lengths: Vec::new(), lanes, batches: Vec::new() };
        for batch in &data.batches {
            let mut range = Range {
                first_shard: tables.shards.len() as u32,
                num_shards: 0,
                blocks: 0,
                most_blocks: 0,
                scale: 0.0,
            };
            for part in shards_of(batch, is_recurrent) {
                let blocks = blocks_of(part, is_recurrent) as u32;
                tables.shards.push(Shard { first: range.blocks, blocks });
                range.num_shards += 1;
                range.blocks += blocks;
                range.most_blocks = range.most_blocks.max(blocks);
                tables.add_lanes(part, data.dataset, places);
            }
            if let [sequence, ..] = batch {
                let actions = data.dataset.episodes[sequence.episode as usize].width - data.exponents.len();
                range.scale = scale_of(batch, actions);
                tables.batches.push(range);
            }
        }
        tables
    }

    fn add_lanes(&mut self, part: &[Sequence], dataset: &Dataset, places: &[u64]) {
        for Sequence { episode, first, length } in part {
            let width = dataset.episodes[*episode as usize].width as u64;
            self.records.push(places[*episode as usize] + 4 * u64::from(*first) * width);
            self.lengths.push(*length);
        }
        let end = self.shards.len() * self.lanes;
        self.records.resize(end, 0);
        self.lengths.resize(end, 0);
    }
}
