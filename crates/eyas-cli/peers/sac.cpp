// How fast RLtools trains a RAPTOR teacher by SAC, with its own program's networks, batches and intervals.
//
//     g++ -O3 -march=native -ffast-math -std=c++17 -I RL_TOOLS/include -I RL_TOOLS/src/foundation_policy/pre_training
//         crates/eyas-cli/peers/sac.cpp -o sac
//
// with RL_TOOLS and the flags for a BLAS as in `l2f.cpp`. It flies the 10,000 steps before which nothing is learned, then
// `sac SECONDS` steps that learn, and prints {"units": env steps, "seconds": ...}. A teacher is 1,000,000 such steps; the
// evaluations and checkpoints of RLtools' program are left out.

#include <rl_tools/operations/cpu_mux.h>

#include <rl_tools/nn/optimizers/adam/instance/operations_generic.h>
#include <rl_tools/nn/operations_cpu_mux.h>
#include <rl_tools/nn/layers/sample_and_squash/operations_generic.h>
#include <rl_tools/nn/layers/td3_sampling/operations_generic.h>
#include <rl_tools/nn/layers/standardize/operations_generic.h>
#include <rl_tools/nn_models/mlp/operations_generic.h>
#include <rl_tools/nn_models/mlp_unconditional_stddev/operations_generic.h>
#include <rl_tools/nn_models/random_uniform/operations_generic.h>
#include <rl_tools/nn_models/sequential/operations_generic.h>
#include <rl_tools/nn_models/multi_agent_wrapper/operations_generic.h>
#include <rl_tools/nn/optimizers/adam/operations_generic.h>

#include "environment.h"

#include <rl_tools/rl/algorithms/sac/loop/core/operations_generic.h>

// Of these only the names are used, by `config.h`.
#include <rl_tools/rl/loop/steps/checkpoint/config.h>
#include <rl_tools/rl/loop/steps/evaluation/config.h>
#include <rl_tools/rl/loop/steps/extrack/config.h>
#include <rl_tools/rl/loop/steps/nn_analytics/config.h>
#include <rl_tools/rl/loop/steps/save_trajectories/config.h>
#include <rl_tools/rl/loop/steps/timing/config.h>

#include "config.h"
#include "options.h"

#include <chrono>
#include <cstdlib>
#include <iostream>

namespace rlt = rl_tools;

using Device = rlt::devices::DEVICE_FACTORY<>;
using Rng = Device::SPEC::RANDOM::ENGINE<>;
using Index = Device::index_t;
using Core = builder::FACTORY<Device, float, Index, Rng, OPTIONS_PRE_TRAINING, true>::LOOP_CORE_CONFIG;

int main(int argc, char** argv) {
    using Clock = std::chrono::steady_clock;
    const double wanted = argc > 1 ? std::atof(argv[1]) : 10.0;
    Device device;
    Core::State<Core> state;
    rlt::init(device);
    rlt::malloc(device, state);
    rlt::init(device, state, 0);
    for (Index step = 0; step < Core::CORE_PARAMETERS::N_WARMUP_STEPS_CRITIC; step++) rlt::step(device, state);
    auto begin = Clock::now();
    Index units = 0;
    double elapsed = 0;
    while (elapsed < wanted) {
        rlt::step(device, state);
        units++;
        elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    }
    std::cout << "{\"units\": " << units << ", \"seconds\": " << elapsed << "}" << std::endl;
}
