// Whole episodes of a task, with the bits of the CPU.
//
// A thread block flies a block of 32 envs from its first step to its last, or a quarter of one where there are few. What the
// task computes (`eyas_reset` and so on) is recorded from the formulas of the CPU and put in when the kernel is handed to the
// driver; a thread of the first warp does it for an env. All threads compute the layers of the policies.
//
// All that flies lies in shared memory, the frame: a row is one number of all envs of the thread block.

#include "formulas.cuh"

typedef unsigned long long u64;

extern "C" {

/// A part of a policy. Its numbers lie in the policy's own, its rows in the frame.
struct Stage {
    unsigned kind;
    unsigned inner;
    unsigned outputs;
    unsigned activation;
    unsigned weights;
    unsigned bias;
    unsigned state_weights;
    unsigned state_bias;
    unsigned from;
    unsigned to;
    unsigned state;
    unsigned cells;
    unsigned gates;
    float limit;
};

/// A policy: its numbers, where they are copied to in shared memory or 0 if there is no room, and its stages.
struct Policy {
    const float *numbers;
    unsigned count;
    unsigned shared;
    unsigned first_stage;
    unsigned num_stages;
};

/// A block of envs: its own rows, the episode and the number of episodes that each env flies, who acts and who labels.
struct Block {
    const float *given;
    const unsigned *episodes;
    unsigned first_env;
    unsigned actor;
    unsigned labeller;
};

/// An episode that ended.
struct Ended {
    unsigned length;
    float episode_return;
    unsigned crashed;
    unsigned moving;
};

/// What is measured of an env's only episode.
struct Measured {
    double squared_error;
    double error[3];
    double squared_action_error;
    u64 settled;
};

/// What is flown, and where it lies.
struct Flight {
    const Block *blocks;
    const Policy *policies;
    const Stage *stages;
    const unsigned *reset_keys;
    const unsigned *reference_keys;
    const unsigned *observe_keys;
    const unsigned *step_keys;
    Ended *ended;
    float *records;
    Measured *measured;
    unsigned *lost;
    unsigned num_rows;
    unsigned given;
    unsigned num_given;
    unsigned observation;
    unsigned num_observations;
    unsigned terms;
    unsigned num_terms;
    unsigned causes;
    unsigned num_causes;
    unsigned cuts;
    unsigned moving;
    unsigned action;
    unsigned label;
    unsigned num_actions;
    unsigned states;
    unsigned num_states;
    unsigned time_limit;
    unsigned episode_steps;
    unsigned slots;
    unsigned features;
    unsigned num_features;
    unsigned settle;
    unsigned error;
    unsigned error_of;
    unsigned reference_moves_first;
    unsigned has_labels;
};

} // extern "C"

// Formulas of the task, for the env whose lane of the frame begins there, at a step of an episode; nothing is stored where not
// asked for.
#define FORMULA(NAME) \
    extern "C" __device__ void NAME(unsigned frame, const unsigned *keys, unsigned env, unsigned episode, unsigned step, unsigned stores)
FORMULA(eyas_reset);
FORMULA(eyas_reference);
FORMULA(eyas_observe);
FORMULA(eyas_step);

extern __shared__ __align__(16) float memory[];

namespace {

/// Envs of a thread block: 32 or fewer, `build.py` says how many.
constexpr unsigned LANES = EYAS_LANES;

constexpr unsigned WARP = 32;

/// Warps of a thread block: several share the layers of few envs, one flies on its own where there are many.
constexpr unsigned WARPS = EYAS_WARPS;
constexpr unsigned THREADS = WARP * WARPS;

/// What is done beside the formulas the other warps do, if there are any.
constexpr unsigned HELPERS = WARPS > 1 ? THREADS - WARP : WARP;

/// Outputs whose weights lie side by side.
constexpr unsigned TILE = 8;

/// Numbers whose activation is computed at once.
constexpr unsigned SOME = 4;

/// Kinds of stages.
constexpr unsigned NORMALIZE = 0, DENSE = 1, GRU = 2, LSTM = 3, BETA = 4;

/// Numbers that stand one after the other.
template <unsigned N> __device__ void read(float (&x)[N], const float *from)
{
    if constexpr (N >= 4) {
#pragma unroll
        for (unsigned i = 0; i < N; i += 4) {
            const float4 four = *(const float4 *)(from + i);
            x[i] = four.x;
            x[i + 1] = four.y;
            x[i + 2] = four.z;
            x[i + 3] = four.w;
        }
    } else if constexpr (N == 2) {
        const float2 two = *(const float2 *)from;
        x[0] = two.x;
        x[1] = two.y;
    } else {
        x[0] = *from;
    }
}

/// `W x + b` and an activation, for envs and outputs that a thread computes at once.
template <unsigned ENVS, unsigned OUTPUTS>
__device__ __noinline__ void tiles(const float *weights, const float *bias, unsigned outputs, unsigned inner, const float *from,
                                   float *to, unsigned activation, unsigned thread)
{
    constexpr unsigned GROUPS = LANES / ENVS, PARTS = TILE / OUTPUTS;
    const unsigned env = thread % GROUPS * ENVS;
    for (unsigned part = thread / GROUPS; part * OUTPUTS < outputs; part += THREADS / GROUPS) {
        const unsigned first = part * OUTPUTS, tile = part / PARTS, within = part % PARTS * OUTPUTS;
        const float *const row = weights + tile * TILE * inner + within, *const in = from + env;
        float sum[ENVS][OUTPUTS];
#pragma unroll
        for (unsigned i = 0; i < OUTPUTS; ++i)
#pragma unroll
            for (unsigned e = 0; e < ENVS; ++e)
                sum[e][i] = bias[first + i];
#pragma unroll 8
        for (unsigned k = 0; k < inner; ++k) {
            float value[ENVS], weight[OUTPUTS];
            read<ENVS>(value, in + k * LANES);
            read<OUTPUTS>(weight, row + k * TILE);
#pragma unroll
            for (unsigned i = 0; i < OUTPUTS; ++i)
#pragma unroll
                for (unsigned e = 0; e < ENVS; ++e)
                    sum[e][i] = fmaf(value[e], weight[i], sum[e][i]);
        }
        float *const out = to + first * LANES + env;
#pragma unroll
        for (unsigned i = 0; i < OUTPUTS; ++i)
#pragma unroll
            for (unsigned e = 0; e < ENVS; ++e)
                if (first + i < outputs)
                    out[i * LANES + e] = sum[e][i];
        if (activation == EYAS_IDENTITY)
            continue;
        // Activations are many instructions: they stand once, for a few numbers at a time.
        const unsigned numbers = min(OUTPUTS, outputs - first) * ENVS;
#pragma unroll 1
        for (unsigned place = 0; place < numbers; place += SOME) {
            float x[SOME];
#pragma unroll
            for (unsigned i = 0; i < SOME; ++i)
                x[i] = place + i < numbers ? out[(place + i) / ENVS * LANES + (place + i) % ENVS] : 0.0f;
            eyas_values(activation, x);
#pragma unroll
            for (unsigned i = 0; i < SOME; ++i)
                if (place + i < numbers)
                    out[(place + i) / ENVS * LANES + (place + i) % ENVS] = x[i];
        }
    }
}

/// The same, in tiles that leave few threads without one.
__device__ void product(const float *weights, const float *bias, unsigned outputs, unsigned inner, const float *from, float *to,
                        unsigned activation, unsigned thread)
{
    constexpr unsigned ENVS = LANES / 8 < 2 ? 2 : LANES / 8, OUTPUTS = LANES == 32 ? 8 : 4;
    if (outputs * LANES >= THREADS * ENVS * OUTPUTS / 2)
        tiles<ENVS, OUTPUTS>(weights, bias, outputs, inner, from, to, activation, thread);
    else if (outputs * LANES >= THREADS * 4)
        tiles<1, 8>(weights, bias, outputs, inner, from, to, activation, thread);
    else
        tiles<1, 2>(weights, bias, outputs, inner, from, to, activation, thread);
}

/// A part of a policy; all threads are to wait for it.
__device__ void compute(const Stage &stage, const float *numbers)
{
    const float *const from = memory + stage.from * LANES;
    float *const to = memory + stage.to * LANES, *const state = memory + stage.state * LANES;
    float *const gates = memory + stage.gates * LANES;
    const float *const weights = numbers + stage.weights, *const bias = numbers + stage.bias;
    const unsigned width = stage.outputs, count = width * LANES;
    if (stage.kind == DENSE) {
        product(weights, bias, width, stage.inner, from, to, stage.activation, threadIdx.x);
    } else if (stage.kind == NORMALIZE) {
        for (unsigned i = threadIdx.x; i < count; i += THREADS) {
            float value = eyas_normalize(from[i], weights[i / LANES], bias[i / LANES]);
            // No limit is a limit of 0.
            if (stage.limit > 0.0f)
                value = eyas_clip(value, stage.limit);
            to[i] = value;
        }
    } else if (stage.kind == BETA) {
        for (unsigned i = threadIdx.x; i < count; i += THREADS)
            to[i] = eyas_beta_mean(from[i], from[count + i]);
    } else {
        const unsigned rows = (stage.kind == GRU ? 3 : 4) * width;
        float *const from_state = gates + rows * LANES;
        product(weights, bias, rows, stage.inner, from, gates, EYAS_IDENTITY, threadIdx.x);
        // Threads that had nothing to do for the first product begin with the second.
        product(numbers + stage.state_weights, numbers + stage.state_bias, rows, width, state, from_state, EYAS_IDENTITY,
                       THREADS - 1 - threadIdx.x);
        __syncthreads();
        for (unsigned i = threadIdx.x; i < count; i += THREADS) {
            const auto gate = [&](const float *sums, unsigned index) { return sums[index * count + i]; };
            float next;
            if (stage.kind == GRU) {
                float update, fresh;
                eyas_gru(gate(gates, 0), gate(gates, 1), gate(gates, 2), gate(from_state, 0), gate(from_state, 1),
                         gate(from_state, 2), state[i], &update, &fresh, &next);
                state[i] = next;
            } else {
                float &cell = memory[stage.cells * LANES + i];
                state[i] = eyas_lstm(gate(gates, 0) + gate(from_state, 0), gate(gates, 1) + gate(from_state, 1),
                                     gate(gates, 2) + gate(from_state, 2), gate(gates, 3) + gate(from_state, 3), cell, &next);
                cell = next;
            }
        }
    }
}

__device__ const float *numbers_of(const Policy &policy)
{
    return policy.shared ? memory + policy.shared : policy.numbers;
}

/// Copies a policy to where all threads read it fast, if there is room.
__device__ void bring(const Policy &policy)
{
    if (policy.shared)
        for (unsigned i = threadIdx.x; i < policy.count; i += blockDim.x)
            memory[policy.shared + i] = policy.numbers[i];
}

__device__ void act(const Flight &flight, const Policy &policy)
{
    const float *const numbers = numbers_of(policy);
    for (unsigned i = 0; i < policy.num_stages; ++i) {
        compute(flight.stages[policy.first_stage + i], numbers);
        __syncthreads();
    }
}

} // namespace

/// A thread block for each block of 32 envs, or for each part of one.
extern "C" __global__ void __launch_bounds__(THREADS) fly(const Flight *all)
{
    __shared__ Flight flight;
    __shared__ Block block;
    __shared__ Policy actor, labeller;
    __shared__ unsigned flying_lanes, ended_lanes, places[2][LANES];
    constexpr unsigned PARTS = WARP / LANES;
    const unsigned first = blockIdx.x % PARTS * LANES;
    const bool helps = threadIdx.x >= THREADS - HELPERS;
    const unsigned helper = threadIdx.x - (THREADS - HELPERS);
    if (threadIdx.x == 0) {
        flight = *all;
        block = flight.blocks[blockIdx.x / PARTS];
        actor = flight.policies[block.actor];
        labeller = flight.policies[block.labeller];
        ended_lanes = 0;
    }
    __syncthreads();
    for (unsigned i = threadIdx.x; i < flight.num_rows * LANES; i += THREADS) {
        const unsigned own = i / LANES - flight.given;
        memory[i] = own < flight.num_given ? block.given[own * WARP + first + i % LANES] : 0.0f;
    }
    bring(actor);
    if (flight.has_labels)
        bring(labeller);

    // The first threads fly, an env each.
    constexpr unsigned ALL = ~0u >> (WARP - LANES);
    const bool is_env = threadIdx.x < LANES;
    const unsigned lane = is_env ? threadIdx.x : 0;
    float *const frame = memory + lane;
    const unsigned address = (unsigned)__cvta_generic_to_shared(frame), env = block.first_env + first + lane;
    const unsigned first_slot = (blockIdx.x * LANES + lane) * flight.slots;
    unsigned episode = block.episodes[first + lane], left = is_env ? block.episodes[WARP + first + lane] : 0;
    unsigned clock = 0, slot = 0, lost = 0;
    float episode_return = 0.0f;
    Measured measured = {};
    bool flies = left > 0;
    __syncthreads();
    if (is_env) {
        eyas_reset(address, flight.reset_keys, env, episode, 0, flies);
        places[0][lane] = flies ? first_slot * flight.episode_steps : ~0u;
        const unsigned lanes = __ballot_sync(ALL, flies);
        if (lane == 0)
            flying_lanes = lanes;
    }
    __syncthreads();
    for (unsigned step = 0; flying_lanes; ++step) {
        if (is_env) {
            eyas_observe(address, flight.observe_keys, env, episode, clock, 1);
            float probe = 0.0f;
            for (unsigned i = 0; i < flight.num_observations; ++i) {
                float &seen = frame[(flight.observation + i) * LANES];
                seen = seen == seen ? seen : 0.0f;
                probe = fmaf(seen, 0.0f, probe);
            }
            lost |= flies && probe != 0.0f;
        }
        if (ended_lanes && helps) {
            for (unsigned i = helper; i < flight.num_states * LANES; i += HELPERS)
                if (ended_lanes >> i % LANES & 1)
                    memory[flight.states * LANES + i] = 0.0f;
        }
        __syncthreads();
#pragma unroll 1
        for (unsigned i = 0; i <= flight.has_labels; ++i)
            act(flight, i == 0 ? actor : labeller);
        if (is_env) {
            float probe = 0.0f;
            for (unsigned i = 0; i < flight.num_actions; ++i)
                probe = fmaf(frame[(flight.action + i) * LANES], 0.0f, probe);
            if (flight.measured && flies) {
                if (step >= flight.settle) {
                    double squares = 0.0;
                    for (unsigned axis = 0; axis < 3; ++axis) {
                        const float value = frame[(flight.error + axis) * LANES];
                        const double error = flight.error_of ? value - frame[(flight.error_of + axis) * LANES] : value;
                        measured.error[axis] += error;
                        squares += error * error;
                    }
                    measured.squared_error += squares;
                    ++measured.settled;
                }
                for (unsigned i = 0; flight.has_labels && i < flight.num_actions; ++i) {
                    const double difference = frame[(flight.action + i) * LANES] - frame[(flight.label + i) * LANES];
                    measured.squared_action_error += difference * difference;
                }
            }
            if (flight.reference_moves_first)
                eyas_reference(address, flight.reference_keys, env, episode, clock, flies);
            eyas_step(address, flight.step_keys, env, episode, clock, flies);
            if (!flight.reference_moves_first)
                eyas_reference(address, flight.reference_keys, env, episode, clock, flies);
            float reward = 0.0f;
            for (unsigned i = 0; i < flight.num_terms; ++i) {
                const float term = frame[(flight.terms + i) * LANES];
                reward += term == term ? term : 0.0f;
            }
            lost |= flies && fmaf(reward, 0.0f, probe) != 0.0f;
            bool terminated = false, truncated = ++clock >= flight.time_limit;
            for (unsigned i = 0; i < flight.num_causes; ++i) {
                const bool holds = frame[(flight.causes + i) * LANES] != 0.0f;
                (i + flight.cuts < flight.num_causes ? terminated : truncated) |= holds;
            }
            episode_return += reward;
            const bool ends = flies && (terminated || truncated || clock >= flight.episode_steps);
            if (ends) {
                const unsigned moving = frame[flight.moving * LANES] > 0.5f;
                flight.ended[first_slot + slot] = Ended{clock, episode_return, terminated, moving};
                flies = --left > 0;
                ++slot;
                ++episode;
                clock = 0;
                episode_return = 0.0f;
            }
            const unsigned over = __ballot_sync(ALL, ends), next = __ballot_sync(ALL, ends && flies), lanes = __ballot_sync(ALL, flies);
            if (next)
                eyas_reset(address, flight.reset_keys, env, episode, 0, ends && flies);
            places[(step + 1) % 2][lane] = flies ? (first_slot + slot) * flight.episode_steps + clock : ~0u;
            if (lane == 0) {
                ended_lanes = over;
                flying_lanes = lanes;
            }
        }
        if (flight.records && helps) {
            // What was seen, then the label: a record of each env that flies.
            const unsigned width = flight.num_features + flight.num_actions;
            for (unsigned of = helper / WARP; of < LANES; of += HELPERS / WARP) {
                const unsigned place = places[step % 2][of];
                if (place == ~0u)
                    continue;
                float *const record = flight.records + (u64)place * width;
                for (unsigned i = helper % WARP; i < width; i += WARP) {
                    const unsigned row = i < flight.num_features ? flight.features + i : flight.label + i - flight.num_features;
                    record[i] = memory[row * LANES + of];
                }
            }
        }
        __syncthreads();
    }
    if (is_env) {
        if (flight.measured)
            flight.measured[blockIdx.x * LANES + lane] = measured;
        if (__any_sync(ALL, lost) && lane == 0)
            atomicOr(flight.lost, 1u);
    }
}
