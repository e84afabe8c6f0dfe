// Gradient steps on batches of samples or sequences, with the bits of the CPU.
//
// Compiled without contraction (`build.py` says how), so that every operation is the one that is written. Sums run in the
// order of crates/eyas-policy/src/kernel.rs, train.rs and adam.rs: a product over its inner index, a weight's gradient over
// the samples of four blocks and then over these fours from the last to the first, gradients over shards.
//
// A row is one number of the 32 lanes of a block, as `eyas_lanes::Row`; a warp computes rows, a thread a lane. Blocks of all
// shards lie one after the other: those of shard `s` from `shards[s].first` on, as many as it has times.

#include "formulas.cuh"

typedef unsigned long long u64;

namespace {

constexpr unsigned LANES = 32;

/// Blocks whose share of a weight's gradient is summed at once: `CHUNK` of train.rs.
constexpr unsigned CHUNK = 4;
constexpr unsigned SAMPLES = CHUNK * LANES;

/// Outputs that a warp computes at once.
constexpr unsigned TILE = 8;

/// Numbers whose activation is computed at once.
constexpr unsigned SOME = 4;

__device__ unsigned up_to_tiles(unsigned count) { return (count + TILE - 1) / TILE * TILE; }

/// Where the weights of an output begin that are `TILE` apart for each of so many inner indices.
__device__ unsigned weights_of(unsigned output, unsigned inner) { return output / TILE * TILE * inner + output % TILE; }

__device__ bool is_finite(float x) { return x - x == 0.0f; }

/// Copies four numbers into shared memory while the thread goes on, or zeros if there are none.
__device__ void bring_four(float *target, const float *from, bool exists)
{
    const unsigned to = (unsigned)__cvta_generic_to_shared(target), bytes = exists ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

/// The same for one number.
__device__ void bring_one(float *target, const float *from)
{
    const unsigned to = (unsigned)__cvta_generic_to_shared(target);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory");
}

/// Ends a group of what this thread brings.
__device__ void end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until all but the last groups have come.
template <unsigned BUT> __device__ void wait_for_groups() { asm volatile("cp.async.wait_group %0;" ::"n"(BUT) : "memory"); }

} // namespace

extern "C" {

struct Shard {
    unsigned first;
    unsigned blocks;
};

/// Rows of every block of every shard. States of a recurrent core have one block more in every shard, the first of which is
/// that before the first time: `before` begins at the first of them, `after` at the second.
struct Rows {
    float *data;
    unsigned width;
    unsigned extra;
    unsigned skip;
};

/// A layer's product, packed: `[tile of outputs][inner][output]`, and its bias, or none. What is missing of a tile is zero.
struct Product {
    const float *packed;
    const float *bias;
    unsigned inner;
    unsigned outputs;
};

/// A layer's place among the parameters, and where it is packed.
struct Packing {
    float *forward;
    float *forward_bias;
    float *backward;
    unsigned weight;
    unsigned bias;
    unsigned outputs;
    unsigned inputs;
};

/// A layer whose weights and biases get a gradient.
struct Layer {
    Rows dy;
    Rows x;
    unsigned weight;
    unsigned bias;
    unsigned first_tile;
};

} // extern "C"

namespace {

__device__ float *row(const Rows &rows, const Shard &shard, unsigned shard_index, unsigned time)
{
    const u64 block = (u64)shard.first + time + (u64)rows.extra * shard_index + rows.skip;
    return rows.data + block * rows.width * LANES;
}

} // namespace

/// Packs the weights of every layer for both directions; a layer has a row of thread blocks.
extern "C" __global__ void pack(const float *parameters, const Packing *layers)
{
    const Packing layer = layers[blockIdx.y];
    const unsigned wide = up_to_tiles(layer.outputs), deep = up_to_tiles(layer.inputs);
    const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned place = index / TILE, within = index % TILE;
    if (index < layer.inputs * wide) {
        const unsigned input = place % layer.inputs, output = place / layer.inputs * TILE + within;
        layer.forward[index] = output < layer.outputs ? parameters[layer.weight + output * layer.inputs + input] : 0.0f;
    }
    if (index < layer.outputs * deep) {
        const unsigned output = place % layer.outputs, input = place / layer.outputs * TILE + within;
        layer.backward[index] = input < layer.inputs ? parameters[layer.weight + output * layer.inputs + input] : 0.0f;
    }
    if (index < wide)
        layer.forward_bias[index] = index < layer.outputs ? parameters[layer.bias + index] : 0.0f;
}

/// Rows of what is read and of the labels, from records of numbers in the order of the observation, then the label. A sequence
/// has a lane of a block and its times are blocks if `recurrent`, else it is one sample. Missing records are zero and weigh
/// nothing.
extern "C" __global__ void gather(const Shard *shards, const u64 *records, const unsigned *lengths, unsigned recurrent,
                                  const float *factors, Rows input, Rows label, Rows weight)
{
    const unsigned s = blockIdx.y, time = blockIdx.x, lane = threadIdx.x;
    const Shard shard = shards[s];
    if (time >= shard.blocks)
        return;
    const unsigned place = recurrent ? s * LANES + lane : (s * CHUNK + time) * LANES + lane;
    const bool exists = (recurrent ? time : 0) < lengths[place];
    const float *record = (const float *)records[place];
    record += recurrent ? (u64)time * (input.width + label.width) : 0;
    float *const x = row(input, shard, s, time), *const y = row(label, shard, s, time);
    for (unsigned i = threadIdx.y; i < input.width; i += blockDim.y)
        x[i * LANES + lane] = exists ? record[i] * factors[i] : 0.0f;
    for (unsigned i = threadIdx.y; i < label.width; i += blockDim.y)
        y[i * LANES + lane] = exists ? record[input.width + i] : 0.0f;
    if (threadIdx.y == 0)
        row(weight, shard, s, time)[lane] = exists ? 1.0f : 0.0f;
}

namespace {

/// `dense` for so many blocks of a shard at once, which share what is read of the weights.
template <unsigned TIMES, unsigned AT_ONCE>
__device__ void dense_of(const Shard *shards, const Product &product, const Rows &x, const Rows &y, unsigned activation, const Rows &at)
{
    const unsigned s = blockIdx.y, first_time = blockIdx.x * TIMES, lane = threadIdx.x;
    const Shard shard = shards[s];
    const unsigned wide = up_to_tiles(product.outputs), first = (blockIdx.z * blockDim.y + threadIdx.y) * TILE;
    if (first_time >= shard.blocks || first >= wide)
        return;
    // Sums go through shared memory, behind them what the slopes follow from, which comes in the meantime.
    extern __shared__ __align__(16) float memory[];
    float *const sums = memory + threadIdx.y * 2 * TIMES * TILE * LANES + lane;
    float *const values = sums + TIMES * TILE * LANES;
    if (at.data) {
#pragma unroll
        for (unsigned i = 0; i < TIMES * TILE; i += 4) {
            const unsigned t = i / TILE, output = i % TILE + lane / 8;
            const float *const from = row(at, shard, s, min(first_time + t, shard.blocks - 1)) + (first + output) * LANES + lane % 8 * 4;
            const bool exists = first + output < product.outputs;
            bring_four(values - lane + (t * TILE + output) * LANES + lane % 8 * 4, exists ? from : at.data, exists);
        }
    }
    const float *in[TIMES];
    float sum[TIMES][TILE];
#pragma unroll
    for (unsigned t = 0; t < TIMES; ++t) {
        // Times that are missing repeat the last, and are not stored.
        in[t] = row(x, shard, s, min(first_time + t, shard.blocks - 1)) + lane;
#pragma unroll
        for (unsigned i = 0; i < TILE; ++i)
            sum[t][i] = product.bias ? product.bias[first + i] : 0.0f;
    }
    const float *weights = product.packed + weights_of(first, product.inner);
    const auto add = [&](const float(&value)[TIMES], const float4 &low, const float4 &high) {
#pragma unroll
        for (unsigned t = 0; t < TIMES; ++t) {
            sum[t][0] = fmaf(value[t], low.x, sum[t][0]);
            sum[t][1] = fmaf(value[t], low.y, sum[t][1]);
            sum[t][2] = fmaf(value[t], low.z, sum[t][2]);
            sum[t][3] = fmaf(value[t], low.w, sum[t][3]);
            sum[t][4] = fmaf(value[t], high.x, sum[t][4]);
            sum[t][5] = fmaf(value[t], high.y, sum[t][5]);
            sum[t][6] = fmaf(value[t], high.z, sum[t][6]);
            sum[t][7] = fmaf(value[t], high.w, sum[t][7]);
        }
    };
    // Several loads at once, since what is read lies far away: the next ones are on their way while the last are added.
    float4 low[AT_ONCE], high[AT_ONCE];
    float value[AT_ONCE][TIMES];
    const auto load = [&](unsigned inner) {
#pragma unroll
        for (unsigned k = 0; k < AT_ONCE; ++k) {
            if (inner + k >= product.inner)
                break;
            low[k] = *(const float4 *)(weights + (inner + k) * TILE);
            high[k] = *(const float4 *)(weights + (inner + k) * TILE + 4);
#pragma unroll
            for (unsigned t = 0; t < TIMES; ++t)
                value[k][t] = in[t][(inner + k) * LANES];
        }
    };
    load(0);
    for (unsigned inner = 0; inner < product.inner; inner += AT_ONCE) {
        float4 low_now[AT_ONCE], high_now[AT_ONCE];
        float value_now[AT_ONCE][TIMES];
#pragma unroll
        for (unsigned k = 0; k < AT_ONCE; ++k) {
            low_now[k] = low[k];
            high_now[k] = high[k];
#pragma unroll
            for (unsigned t = 0; t < TIMES; ++t)
                value_now[k][t] = value[k][t];
        }
        load(inner + AT_ONCE);
#pragma unroll
        for (unsigned k = 0; k < AT_ONCE; ++k)
            if (inner + k < product.inner)
                add(value_now[k], low_now[k], high_now[k]);
    }
    if (!at.data && activation == EYAS_IDENTITY) {
#pragma unroll
        for (unsigned t = 0; t < TIMES; ++t) {
            if (first_time + t >= shard.blocks)
                return;
            float *const out = row(y, shard, s, first_time + t) + first * LANES + lane;
#pragma unroll
            for (unsigned i = 0; i < TILE; ++i)
                if (first + i < product.outputs)
                    out[i * LANES] = sum[t][i];
        }
        return;
    }
    // Activations are many instructions: they stand once, for a few numbers at a time.
#pragma unroll
    for (unsigned t = 0; t < TIMES; ++t)
#pragma unroll
        for (unsigned i = 0; i < TILE; ++i)
            sums[(t * TILE + i) * LANES] = sum[t][i];
    end_group();
    wait_for_groups<0>();
    __syncwarp();
#pragma unroll 1
    for (unsigned place = 0; place < TIMES * TILE; place += SOME) {
        const unsigned t = place / TILE, output = first + place % TILE;
        if (first_time + t >= shard.blocks)
            return;
        float value[SOME];
#pragma unroll
        for (unsigned i = 0; i < SOME; ++i)
            value[i] = sums[(place + i) * LANES];
        if (at.data) {
            float slope[SOME];
#pragma unroll
            for (unsigned i = 0; i < SOME; ++i)
                slope[i] = values[(place + i) * LANES];
            eyas_slopes(activation, slope);
#pragma unroll
            for (unsigned i = 0; i < SOME; ++i)
                value[i] = value[i] * slope[i];
        } else {
            eyas_values(activation, value);
        }
        float *const out = row(y, shard, s, first_time + t) + output * LANES + lane;
#pragma unroll
        for (unsigned i = 0; i < SOME; ++i)
            if (output + i < product.outputs)
                out[i * LANES] = value[i];
    }
}

} // namespace

/// `y = activation(W x + b)`; or, with the values `at` of an activation, `y = W x * slope(at)`. A warp has a tile of outputs of a
/// block, and as much shared memory.
extern "C" __global__ void dense_1(const Shard *shards, Product product, Rows x, Rows y, unsigned activation, Rows at)
{
    dense_of<1, 8>(shards, product, x, y, activation, at);
}

/// The same with four blocks a warp.
extern "C" __global__ void dense_4(const Shard *shards, Product product, Rows x, Rows y, unsigned activation, Rows at)
{
    dense_of<4, 4>(shards, product, x, y, activation, at);
}

namespace {

/// Weights of a recurrent core in shared memory if there is room, else where they are.
__device__ const float *close_by(const float *weights, unsigned count, float *room, unsigned fits)
{
    if (!fits)
        return weights;
    for (unsigned i = threadIdx.y * LANES + threadIdx.x; i < count; i += blockDim.y * LANES)
        room[i] = weights[i];
    return room;
}

} // namespace

/// A block of sequences through time: gates `r, z, n, s_n` and states, given what the input adds to the gates. A warp computes
/// every `blockDim.y`-th unit. Shared memory holds the state twice, and the weights if `fits`.
extern "C" __global__ void __launch_bounds__(1024)
    gru_forward(const Shard *shards, Product product, Rows from_input, Rows gates, Rows hidden, unsigned fits)
{
    extern __shared__ float memory[];
    const unsigned s = blockIdx.x, lane = threadIdx.x;
    const Shard shard = shards[s];
    const unsigned width = hidden.width, wide = up_to_tiles(3 * width);
    const float *const weights = close_by(product.packed, width * wide, memory + 2 * width * LANES, fits);
    float *const start = row(hidden, shard, s, 0);
    for (unsigned unit = threadIdx.y; unit < width; unit += blockDim.y) {
        memory[unit * LANES + lane] = 0.0f;
        start[unit * LANES + lane] = 0.0f;
    }
    __syncthreads();
    for (unsigned time = 0; time < shard.blocks; ++time) {
        const float *const before = memory + time % 2 * width * LANES;
        float *const after = memory + (time + 1) % 2 * width * LANES;
        const float *const in = row(from_input, shard, s, time) + lane;
        float *const kept = row(gates, shard, s, time) + lane;
        float *const out = row(hidden, shard, s, time + 1) + lane;
        for (unsigned unit = threadIdx.y; unit < width; unit += blockDim.y) {
            float input[3], sum[3];
#pragma unroll
            for (unsigned gate = 0; gate < 3; ++gate) {
                input[gate] = in[(gate * width + unit) * LANES];
                sum[gate] = product.bias[gate * width + unit];
            }
            for (unsigned inner = 0; inner < width; ++inner) {
                const float value = before[inner * LANES + lane];
#pragma unroll
                for (unsigned gate = 0; gate < 3; ++gate)
                    sum[gate] = fmaf(value, weights[weights_of(gate * width + unit, width) + inner * TILE], sum[gate]);
            }
            float update, fresh, next;
            const float reset = eyas_gru(input[0], input[1], input[2], sum[0], sum[1], sum[2], before[unit * LANES + lane],
                                         &update, &fresh, &next);
            kept[unit * LANES] = reset;
            kept[(width + unit) * LANES] = update;
            kept[(2 * width + unit) * LANES] = fresh;
            kept[(3 * width + unit) * LANES] = sum[2];
            after[unit * LANES + lane] = next;
            out[unit * LANES] = next;
        }
        __syncthreads();
    }
}

/// Back through time: gradients of the gates' sums from input and state, given that of the states. Shared memory holds what
/// passes by the gates, the gradients of one time's sums, and the weights if `fits`.
extern "C" __global__ void __launch_bounds__(1024)
    gru_backward(const Shard *shards, Product product, Rows gates, Rows hidden, Rows d_hidden, Rows d_input,
                                        Rows d_state, unsigned fits)
{
    extern __shared__ float memory[];
    const unsigned s = blockIdx.x, lane = threadIdx.x;
    const Shard shard = shards[s];
    const unsigned width = hidden.width, wide = up_to_tiles(width);
    float *const carried = memory;
    float *const slopes = memory + width * LANES;
    const float *const weights = close_by(product.packed, 3 * width * wide, memory + 4 * width * LANES, fits);
    for (unsigned unit = threadIdx.y; unit < width; unit += blockDim.y)
        carried[unit * LANES + lane] = 0.0f;
    __syncthreads();
    for (unsigned time = shard.blocks; time-- > 0;) {
        // What the time after this passes back through its sums comes to what passed by its gates.
        if (time + 1 < shard.blocks) {
            for (unsigned unit = threadIdx.y; unit < width; unit += blockDim.y) {
                float passed = 0.0f;
                for (unsigned inner = 0; inner < 3 * width; ++inner)
                    passed = fmaf(slopes[inner * LANES + lane], weights[weights_of(unit, 3 * width) + inner * TILE], passed);
                carried[unit * LANES + lane] = carried[unit * LANES + lane] + passed;
            }
            __syncthreads();
        }
        const float *const kept = row(gates, shard, s, time) + lane;
        const float *const before = row(hidden, shard, s, time) + lane;
        const float *const later = row(d_hidden, shard, s, time) + lane;
        float *const to_input = row(d_input, shard, s, time) + lane;
        float *const to_state = row(d_state, shard, s, time) + lane;
        for (unsigned unit = threadIdx.y; unit < width; unit += blockDim.y) {
            const unsigned reset = unit * LANES, update = (width + unit) * LANES, fresh = (2 * width + unit) * LANES;
            float of_reset, of_update, of_new, of_sum;
            carried[reset + lane] = eyas_gru_backward(kept[reset], kept[update], kept[fresh], kept[(3 * width + unit) * LANES],
                                                      before[reset], carried[reset + lane] + later[reset], &of_reset, &of_update,
                                                      &of_new, &of_sum);
            to_input[reset] = to_state[reset] = slopes[reset + lane] = of_reset;
            to_input[update] = to_state[update] = slopes[update + lane] = of_update;
            to_input[fresh] = of_new;
            to_state[fresh] = slopes[fresh + lane] = of_sum;
        }
        __syncthreads();
    }
}

namespace {

/// Lanes of a block whose sequences a thread block takes where a thread has the weights of its unit in registers. The fewer, the
/// more processors share the work; with 8 a warp of each of its schedulers is busy for 16 units.
constexpr unsigned PART = 8;

/// Times that are fetched ahead: memory takes longer to answer than a time takes to compute.
constexpr unsigned AHEAD = 4;

/// `gru_forward` for a state that is so narrow: a thread computes a unit of a lane.
template <unsigned WIDTH>
__device__ void narrow_forward(const Shard *shards, const Product &product, const Rows &from_input, const Rows &gates, const Rows &hidden)
{
    // Rows so far apart that eight lanes read four numbers each without meeting a bank twice.
    __shared__ __align__(16) float state[2][PART][WIDTH + 4];
    __shared__ float ahead[AHEAD][3][PART * WIDTH];
    const unsigned s = blockIdx.x, part = threadIdx.x, unit = threadIdx.y, lane = blockIdx.y * PART + part;
    const Shard shard = shards[s];
    float weights[WIDTH][3], bias[3];
#pragma unroll
    for (unsigned gate = 0; gate < 3; ++gate) {
        bias[gate] = product.bias[gate * WIDTH + unit];
#pragma unroll
        for (unsigned inner = 0; inner < WIDTH; ++inner)
            weights[inner][gate] = product.packed[weights_of(gate * WIDTH + unit, WIDTH) + inner * TILE];
    }
    const float *const in = row(from_input, shard, s, 0) + unit * LANES + lane;
    float *kept = row(gates, shard, s, 0) + unit * LANES + lane;
    float *out = row(hidden, shard, s, 0) + unit * LANES + lane;
    float own = 0.0f;
    *out = own;
    state[0][part][unit] = own;
    // Every time is a group, whether there is anything to bring or not.
    float *const mine = &ahead[0][0][unit * PART + part];
    const auto fetch = [&](unsigned slot, unsigned time) {
        if (time < shard.blocks)
#pragma unroll
            for (unsigned gate = 0; gate < 3; ++gate)
                bring_one(mine + (3 * slot + gate) * PART * WIDTH, in + (u64)(3 * time + gate) * WIDTH * LANES);
        end_group();
    };
#pragma unroll
    for (unsigned slot = 0; slot < AHEAD; ++slot)
        fetch(slot, slot);
    __syncthreads();
    for (unsigned first = 0; first < shard.blocks; first += AHEAD) {
#pragma unroll
        for (unsigned slot = 0; slot < AHEAD; ++slot) {
            const unsigned time = first + slot;
            if (time >= shard.blocks)
                break;
            float sum[3] = {bias[0], bias[1], bias[2]};
            const float4 *const before = (const float4 *)state[slot % 2][part];
#pragma unroll
            for (unsigned inner = 0; inner < WIDTH / 4; ++inner) {
                const float4 value = before[inner];
                const float values[4] = {value.x, value.y, value.z, value.w};
#pragma unroll
                for (unsigned i = 0; i < 4; ++i)
#pragma unroll
                    for (unsigned gate = 0; gate < 3; ++gate)
                        sum[gate] = fmaf(values[i], weights[4 * inner + i][gate], sum[gate]);
            }
            wait_for_groups<AHEAD - 1>();
            float input[3];
#pragma unroll
            for (unsigned gate = 0; gate < 3; ++gate)
                input[gate] = mine[(3 * slot + gate) * PART * WIDTH];
            float update, fresh, next;
            const float reset = eyas_gru(input[0], input[1], input[2], sum[0], sum[1], sum[2], own, &update, &fresh, &next);
            own = next;
            state[(slot + 1) % 2][part][unit] = own;
            fetch(slot, time + AHEAD);
            kept[0] = reset;
            kept[WIDTH * LANES] = update;
            kept[2 * WIDTH * LANES] = fresh;
            kept[3 * WIDTH * LANES] = sum[2];
            kept += 4 * WIDTH * LANES;
            out += WIDTH * LANES;
            *out = own;
            __syncthreads();
        }
    }
}

/// `gru_backward` for such a state.
template <unsigned WIDTH>
__device__ void narrow_backward(const Shard *shards, const Product &product, const Rows &gates, const Rows &hidden, const Rows &d_hidden,
                                const Rows &d_input, const Rows &d_state)
{
    __shared__ __align__(16) float slopes[2][PART][3 * WIDTH + 4];
    __shared__ float ahead[AHEAD][6][PART * WIDTH];
    const unsigned s = blockIdx.x, part = threadIdx.x, unit = threadIdx.y, lane = blockIdx.y * PART + part;
    const Shard shard = shards[s];
    if (shard.blocks == 0)
        return;
    const unsigned last = shard.blocks - 1;
    float weights[3 * WIDTH];
#pragma unroll
    for (unsigned inner = 0; inner < 3 * WIDTH; ++inner)
        weights[inner] = product.packed[weights_of(unit, 3 * WIDTH) + inner * TILE];
    const float *const kept = row(gates, shard, s, 0) + unit * LANES + lane;
    const float *const before = row(hidden, shard, s, 0) + unit * LANES + lane;
    const float *const later = row(d_hidden, shard, s, 0) + unit * LANES + lane;
    float *to_input = row(d_input, shard, s, last) + unit * LANES + lane;
    float *to_state = row(d_state, shard, s, last) + unit * LANES + lane;
    // Gates, the state before and the gradient of the state after. Every time is a group.
    float carried = 0.0f, *const mine = &ahead[0][0][unit * PART + part];
    const auto fetch = [&](unsigned slot, unsigned gone) {
        if (gone < shard.blocks) {
            const u64 time = last - gone;
            float *const to = mine + 6 * slot * PART * WIDTH;
#pragma unroll
            for (unsigned i = 0; i < 4; ++i)
                bring_one(to + i * PART * WIDTH, kept + (4 * time + i) * WIDTH * LANES);
            bring_one(to + 4 * PART * WIDTH, before + time * WIDTH * LANES);
            bring_one(to + 5 * PART * WIDTH, later + time * WIDTH * LANES);
        }
        end_group();
    };
#pragma unroll
    for (unsigned slot = 0; slot < AHEAD; ++slot)
        fetch(slot, slot);
    for (unsigned first = 0; first < shard.blocks; first += AHEAD) {
#pragma unroll
        for (unsigned slot = 0; slot < AHEAD; ++slot) {
            const unsigned gone = first + slot;
            if (gone >= shard.blocks)
                break;
            if (gone > 0) {
                float passed = 0.0f;
                const float4 *const of_sums = (const float4 *)slopes[(slot + 1) % 2][part];
#pragma unroll
                for (unsigned inner = 0; inner < 3 * WIDTH / 4; ++inner) {
                    const float4 value = of_sums[inner];
                    passed = fmaf(value.x, weights[4 * inner], passed);
                    passed = fmaf(value.y, weights[4 * inner + 1], passed);
                    passed = fmaf(value.z, weights[4 * inner + 2], passed);
                    passed = fmaf(value.w, weights[4 * inner + 3], passed);
                }
                carried = carried + passed;
            }
            wait_for_groups<AHEAD - 1>();
            float it[6];
#pragma unroll
            for (unsigned i = 0; i < 6; ++i)
                it[i] = mine[(6 * slot + i) * PART * WIDTH];
            float of_reset, of_update, of_new, of_sum;
            carried = eyas_gru_backward(it[0], it[1], it[2], it[3], it[4], carried + it[5], &of_reset, &of_update, &of_new, &of_sum);
            slopes[slot % 2][part][unit] = of_reset;
            slopes[slot % 2][part][WIDTH + unit] = of_update;
            slopes[slot % 2][part][2 * WIDTH + unit] = of_sum;
            fetch(slot, gone + AHEAD);
            to_input[0] = to_state[0] = of_reset;
            to_input[WIDTH * LANES] = to_state[WIDTH * LANES] = of_update;
            to_input[2 * WIDTH * LANES] = of_new;
            to_state[2 * WIDTH * LANES] = of_sum;
            to_input -= 3 * WIDTH * LANES;
            to_state -= 3 * WIDTH * LANES;
            __syncthreads();
        }
    }
}

} // namespace

extern "C" __global__ void __launch_bounds__(PART * 16)
    gru_forward_16(const Shard *shards, Product product, Rows from_input, Rows gates, Rows hidden, unsigned)
{
    narrow_forward<16>(shards, product, from_input, gates, hidden);
}

extern "C" __global__ void __launch_bounds__(PART * 32)
    gru_forward_32(const Shard *shards, Product product, Rows from_input, Rows gates, Rows hidden, unsigned)
{
    narrow_forward<32>(shards, product, from_input, gates, hidden);
}

extern "C" __global__ void __launch_bounds__(PART * 16)
    gru_backward_16(const Shard *shards, Product product, Rows gates, Rows hidden, Rows d_hidden, Rows d_input, Rows d_state, unsigned)
{
    narrow_backward<16>(shards, product, gates, hidden, d_hidden, d_input, d_state);
}

extern "C" __global__ void __launch_bounds__(PART * 32)
    gru_backward_32(const Shard *shards, Product product, Rows gates, Rows hidden, Rows d_hidden, Rows d_input, Rows d_state, unsigned)
{
    narrow_backward<32>(shards, product, gates, hidden, d_hidden, d_input, d_state);
}

/// `scale * sum of w (y - label)^2` of every block, and its gradient with respect to `y`.
extern "C" __global__ void squared_error(const Shard *shards, Rows output, Rows label, Rows weight, Rows gradient, float scale,
                                         float *losses)
{
    const unsigned s = blockIdx.y, time = blockIdx.x, lane = threadIdx.x;
    const Shard shard = shards[s];
    if (time >= shard.blocks)
        return;
    const float *const y = row(output, shard, s, time), *const goal = row(label, shard, s, time);
    const float *const weights = row(weight, shard, s, time);
    float *const slope = row(gradient, shard, s, time);
    // Sixteen lanes are summed at once, those of the lower half before those of the upper.
    const unsigned lower = lane % 16;
    float sum = 0.0f;
    for (unsigned index = 0; index < output.width; ++index) {
        for (unsigned half = 0; half < 2; ++half) {
            const unsigned at = lower + 16 * half;
            float of_output;
            sum = eyas_squared_error(y[index * LANES + at], goal[index * LANES + at], weights[at] * scale, sum, &of_output);
            if (lane / 16 == half)
                slope[index * LANES + at] = of_output;
        }
    }
    float total = __shfl_sync(~0u, sum, 0);
    for (unsigned from = 1; from < 16; ++from)
        total = total + __shfl_sync(~0u, sum, from);
    if (lane == 0)
        losses[shard.first + time] = total;
}

/// The sum of the losses of a shard's blocks, in the order of times. A warp has a shard.
extern "C" __global__ void sum_losses(const Shard *shards, const float *losses, double *of_shards)
{
    __shared__ float some[512];
    const Shard shard = shards[blockIdx.x];
    double sum = 0.0;
    for (unsigned first = 0; first < shard.blocks; first += 512) {
        const unsigned count = min(512u, shard.blocks - first);
        for (unsigned i = threadIdx.x; i < count; i += LANES)
            some[i] = losses[shard.first + first + i];
        __syncwarp();
        if (threadIdx.x == 0)
#pragma unroll 8
            for (unsigned i = 0; i < count; ++i)
                sum = sum + (double)some[i];
        __syncwarp();
    }
    if (threadIdx.x == 0)
        of_shards[blockIdx.x] = sum;
}

namespace {

constexpr unsigned TILE_OUTPUTS = 16;
constexpr unsigned TILE_INPUTS = 32;
/// Rows of samples in shared memory, so far apart that reading four samples of 32 rows meets no bank twice.
constexpr unsigned STRIDE = SAMPLES + 4;
/// Warps that sum a chunk of blocks together.
constexpr unsigned WARPS = 2;
/// A thread's part of a tile: inputs that are half a tile apart. Each half of a warp has other outputs.
constexpr unsigned OUTPUTS = TILE_OUTPUTS / WARPS / 2;
constexpr unsigned INPUTS = 2;
/// Chunks that are summed at the same time.
constexpr unsigned GROUPS = 4;
/// What a thread finds in a chunk: for each output the gradient of its inputs' weights, and of the bias.
constexpr unsigned FOUND = OUTPUTS * (INPUTS + 1);

/// A chunk in shared memory, sample by sample in each row.
struct Chunk {
    float dy[TILE_OUTPUTS * STRIDE];
    float x[TILE_INPUTS * STRIDE];
};

/// Brings a block's rows `first ..` into its place in shared memory; what is missing is zero.
template <unsigned COUNT>
__device__ void bring(float *target, const Rows &rows, const Shard &shard, unsigned s, unsigned time, unsigned block, unsigned first)
{
    // A lane copies four samples, a warp four rows at once.
    const unsigned lane = threadIdx.x, feature = lane / 8, sample = lane % 8 * 4;
    const float *const from = row(rows, shard, s, time) + (first + feature) * LANES + sample;
    float *const to = target + feature * STRIDE + block * LANES + sample;
#pragma unroll
    for (unsigned i = 0; i < COUNT; i += 4) {
        const bool exists = time < shard.blocks && first + feature + i < rows.width;
        bring_four(to + i * STRIDE, exists ? from + i * LANES : rows.data, exists);
    }
}

} // namespace

/// Gradients of weights and biases of all layers, of each shard. A thread block has a tile of a layer, groups of its warps a chunk
/// of blocks each; what they find is added from the last chunk to the first.
extern "C" __global__ void __launch_bounds__(LANES *WARPS *GROUPS)
    weight_gradients(const Shard *shards, const Layer *layers, unsigned num_layers, unsigned num_parameters, float *gradients)
{
    extern __shared__ __align__(16) float memory[];
    const unsigned s = blockIdx.y, lane = threadIdx.x, warp = threadIdx.y % WARPS, group = threadIdx.y / WARPS;
    const Shard shard = shards[s];
    unsigned index = 0;
    while (index + 1 < num_layers && blockIdx.x >= layers[index + 1].first_tile)
        ++index;
    const Layer layer = layers[index];
    const unsigned tile = blockIdx.x - layer.first_tile, across = (layer.x.width + TILE_INPUTS - 1) / TILE_INPUTS;
    const unsigned first_output = tile / across * TILE_OUTPUTS, first_input = tile % across * TILE_INPUTS;
    const unsigned output = (2 * warp + lane / 16) * OUTPUTS, input = lane % 16;
    float total[FOUND] = {};
    const unsigned chunks = (shard.blocks + CHUNK - 1) / CHUNK;
    Chunk &mine = ((Chunk *)memory)[group];
    for (unsigned gone = 0; gone < chunks; gone += GROUPS) {
        const bool exists = gone + group < chunks;
        float found[FOUND] = {};
        if (exists) {
            for (unsigned block = warp; block < CHUNK; block += WARPS) {
                const unsigned time = (chunks - 1 - gone - group) * CHUNK + block;
                bring<TILE_OUTPUTS>(mine.dy, layer.dy, shard, s, time, block, first_output);
                bring<TILE_INPUTS>(mine.x, layer.x, shard, s, time, block, first_input);
            }
        }
        end_group();
        wait_for_groups<0>();
        __syncthreads();
        if (exists) {
            // Samples that are missing are zero, and change no sum.
            const float *const values = &mine.x[input * STRIDE], *const slopes = &mine.dy[output * STRIDE];
#pragma unroll 4
            for (unsigned sample = 0; sample < SAMPLES; sample += 4) {
                float4 value[INPUTS];
#pragma unroll
                for (unsigned k = 0; k < INPUTS; ++k)
                    value[k] = *(const float4 *)&values[k * TILE_INPUTS / INPUTS * STRIDE + sample];
#pragma unroll
                for (unsigned i = 0; i < OUTPUTS; ++i) {
                    const float4 slope = *(const float4 *)&slopes[i * STRIDE + sample];
#pragma unroll
                    for (unsigned k = 0; k < INPUTS; ++k) {
                        float &sum = found[i * (INPUTS + 1) + k];
                        sum = fmaf(value[k].x, slope.x, sum);
                        sum = fmaf(value[k].y, slope.y, sum);
                        sum = fmaf(value[k].z, slope.z, sum);
                        sum = fmaf(value[k].w, slope.w, sum);
                    }
                }
            }
            if (first_input == 0) {
#pragma unroll
                for (unsigned i = 0; i < OUTPUTS; ++i) {
                    float partial = 0.0f;
#pragma unroll
                    for (unsigned block = 0; block < CHUNK; ++block) {
                        const float *const of_block = &slopes[i * STRIDE + block * LANES + lane % 16];
                        partial = partial + (of_block[0] + of_block[16]);
                    }
#pragma unroll
                    for (unsigned width = 8; width > 0; width /= 2)
                        partial = partial + __shfl_down_sync(~0u, partial, width, 16);
                    found[i * (INPUTS + 1) + INPUTS] = partial;
                }
            }
        }
        // The first group adds what the others found, in their places, once all are through with their samples.
        __syncthreads();
        float *const place = memory + warp * LANES + lane;
        if (group > 0 && exists)
#pragma unroll
            for (unsigned i = 0; i < FOUND; ++i)
                place[(group * FOUND + i) * WARPS * LANES] = found[i];
        __syncthreads();
        if (group == 0)
            for (unsigned other = 0; other < GROUPS && gone + other < chunks; ++other)
#pragma unroll
                for (unsigned i = 0; i < FOUND; ++i)
                    total[i] = total[i] + (other == 0 ? found[i] : place[(other * FOUND + i) * WARPS * LANES]);
        __syncthreads();
    }
    if (group > 0)
        return;
    float *const gradient = gradients + (u64)s * num_parameters;
#pragma unroll
    for (unsigned i = 0; i < OUTPUTS; ++i) {
        const unsigned row = first_output + output + i;
        if (row >= layer.dy.width)
            break;
#pragma unroll
        for (unsigned k = 0; k < INPUTS; ++k) {
            const unsigned column = first_input + k * TILE_INPUTS / INPUTS + input;
            if (column < layer.x.width)
                gradient[layer.weight + row * layer.x.width + column] = total[i * (INPUTS + 1) + k];
        }
        if (first_input == 0 && input == 0)
            gradient[layer.bias + row] = total[i * (INPUTS + 1) + INPUTS];
    }
}

/// The sum of the shards' gradients, in their order.
extern "C" __global__ void sum_shards(const float *gradients, unsigned num_shards, unsigned num_parameters, float *gradient)
{
    const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= num_parameters)
        return;
    float sum = 0.0f;
    for (unsigned s = 0; s < num_shards; ++s)
        sum = sum + gradients[(u64)s * num_parameters + index];
    gradient[index] = sum;
}

namespace {

constexpr unsigned STRETCH = 256 * 16;

} // namespace

/// The norm of a gradient, what it is to be multiplied by so that it is at most `most`, and the sum of the shards' losses.
/// `totals` has room for two numbers of every stretch.
extern "C" __global__ void norm_of(const float *gradient, unsigned count, float most, double *totals, float *norm, float *factor,
                                   const double *of_shards, unsigned num_shards, double *loss)
{
    const unsigned lane = threadIdx.x % 16, half = threadIdx.x / 16;
    const unsigned stretches = (count + STRETCH - 1) / STRETCH;
    for (unsigned round = 0; round * blockDim.x / 16 < stretches; ++round) {
        const unsigned stretch = round * (blockDim.x / 16) + half;
        const unsigned first = stretch * STRETCH;
        const unsigned length = stretch >= stretches ? 0 : (count - first < STRETCH ? count - first : STRETCH);
        float sum = 0.0f;
#pragma unroll 16
        for (unsigned i = 0; i < length / 16; ++i) {
            const float value = gradient[first + i * 16 + lane];
            sum = fmaf(value, value, sum);
        }
        double total = __shfl_sync(~0u, sum, 0, 16);
        for (unsigned from = 1; from < 16; ++from)
            total = total + (double)__shfl_sync(~0u, sum, from, 16);
        // Less than sixteen are left over.
        const unsigned left = length % 16;
        const double over = lane < left ? gradient[first + length - left + lane] : 0.0f;
        double tail = 0.0;
        for (unsigned from = 0; from < 15; ++from) {
            const double value = __shfl_sync(~0u, over, from, 16);
            tail = from < left ? tail + value * value : tail;
        }
        if (lane == 0 && stretch < stretches) {
            totals[2 * stretch] = total;
            totals[2 * stretch + 1] = tail;
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        double total = 0.0;
        for (unsigned i = 0; i < 2 * stretches; ++i)
            total = total + totals[i];
        const float found = (float)sqrt(total);
        *norm = found;
        *factor = most / (found + 1e-6f);
    } else if (threadIdx.x == 32) {
        double sum = of_shards[0];
        for (unsigned s = 1; s < num_shards; ++s)
            sum = sum + of_shards[s];
        *loss = sum;
    }
}

/// An update of all parameters; `lost` becomes 1 if one is not finite any more.
extern "C" __global__ void adam(float *parameters, const float *gradient, float *mean, float *square, unsigned count,
                                const float *factor, float step_size, float root_correction, unsigned *lost)
{
    const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= count)
        return;
    float slope = gradient[index];
    if (*factor < 1.0f)
        slope = slope * *factor;
    float new_mean, new_square;
    const float value = eyas_adam(parameters[index], slope, mean[index], square[index], step_size, root_correction, &new_mean,
                                  &new_square);
    parameters[index] = value;
    mean[index] = new_mean;
    square[index] = new_square;
    if (!is_finite(value))
        *lost = 1;
}
