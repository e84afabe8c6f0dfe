// RLtools' quadrotor simulator l2f and its GRU as a peer of `eyas bench`: the same works, in one thread.
//
//     git clone https://github.com/rl-tools/rl-tools RL_TOOLS
//     git -C RL_TOOLS checkout 3894fd84        # the last commit with RAPTOR's environment
//     g++ -O3 -march=native -ffast-math -std=c++17 -I RL_TOOLS/include crates/eyas-cli/peers/l2f.cpp -o l2f
//
// RLtools' own loops for matrices are slow: add `-DRL_TOOLS_BACKEND_ENABLE_OPENBLAS` and, at the end, `-lopenblas`
// wherever OpenBLAS is installed, to see `gru_rollout` at twice and `gru_update` at four times the rate. With MKL
// (`pip install mkl-static mkl-include`) it is `-DRL_TOOLS_BACKEND_ENABLE_MKL` and `-Wl,--start-group libmkl_intel_lp64.a
// libmkl_sequential.a libmkl_core.a -Wl,--end-group -lpthread -lm -ldl`.
//
// The program prints one line of JSON, {"peer": ..., "works": [...]}; then, for each line `NAME SECONDS` on standard
// input, it runs that work for about SECONDS and prints {"units": ..., "seconds": ...} or {"error": ...}.

#include <rl_tools/operations/cpu_mux.h>

#include <rl_tools/nn/optimizers/adam/instance/operations_generic.h>
#include <rl_tools/nn/operations_cpu_mux.h>
#include <rl_tools/nn/layers/gru/operations_generic.h>
#include <rl_tools/nn_models/sequential/operations_generic.h>
#include <rl_tools/nn/optimizers/adam/operations_generic.h>
#include <rl_tools/nn/loss_functions/mse/operations_generic.h>
#include <rl_tools/rl/environments/l2f/operations_multitask_generic_forward.h>
#include <rl_tools/rl/environments/l2f/operations_cpu.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#ifdef RL_TOOLS_BACKEND_ENABLE_OPENBLAS
extern "C" void openblas_set_num_threads(int count);
#endif

namespace rlt = rl_tools;
namespace l2f = rl_tools::rl::environments::l2f;

using Device = rlt::devices::DEVICE_FACTORY<>;
using Rng = Device::SPEC::RANDOM::ENGINE<>;
using Index = Device::index_t;
using Real = float;

// The environment of RAPTOR: randomised vehicles with lagging rotors, a target at rest or on a random trajectory.
struct Raptor {
    struct TrajectoryOptions {
        static constexpr bool LANGEVIN = true;
    };
    using Randomization = l2f::parameters::DEFAULT_DOMAIN_RANDOMIZATION_OPTIONS<true>;
    using Defaults = l2f::parameters::DEFAULT_PARAMETERS_FACTORY<Real, Index>;
    using Base = l2f::ParametersBase<Defaults::PARAMETERS_SPEC>;
    using Disturbed = l2f::ParametersDisturbances<l2f::ParametersSpecification<Real, Index, Base>>;
    using Randomized = l2f::ParametersDomainRandomization<
        l2f::ParametersDomainRandomizationSpecification<Real, Index, Randomization, Disturbed>>;
    using PARAMETERS = l2f::ParametersTrajectory<
        l2f::ParametersTrajectorySpecification<Real, Index, TrajectoryOptions, Randomized>>;
    static constexpr PARAMETERS::DomainRandomization RANGES = {
        1.5, 5,      // thrust to weight
        40, 1200,    // torque to inertia [1/s²]
        0.02, 5,     // mass [kg]
        0.1,         // deviation of the size
        0.03, 0.1,   // time constant of a rotor that gains speed [s]
        0.03, 0.3,   // and of one that loses speed [s]
        0.005, 0.05, // reaction torque for each newton [m]
        0,           // offset of the orientation
        0.3          // disturbing force, of the surplus thrust
    };
    static constexpr PARAMETERS PARAMETER_VALUES = [] {
        auto mdp = Defaults::mdp;
        mdp.reward.constant = 1.5;
        return PARAMETERS{{{{Defaults::dynamics, Defaults::integration, mdp}, Defaults::disturbances}, RANGES},
                          Defaults::trajectory};
    }();

    static constexpr Index N_SUBSTEPS = 1, EPISODE_STEP_LIMIT = 500, CLOSED_FORM = false, DELAY = 0, HISTORY = 1;
    static constexpr bool PRIVILEGED_OBSERVATION_NOISE = false;
    static constexpr Real STATE_LIMIT_POSITION = 1e5, STATE_LIMIT_VELOCITY = 1e5, STATE_LIMIT_ANGULAR_VELOCITY = 1e5;

    template <typename NEXT>
    using With = l2f::StateSpecification<Real, Index, NEXT>;
    using Body = l2f::StateLastAction<With<l2f::StateBase<With<void>>>>;
    using Delayed = l2f::StateAngularVelocityDelay<
        l2f::StateAngularVelocityDelaySpecification<Real, Index, DELAY, Body>>;
    using Rotors = l2f::StateRotorsHistory<l2f::StateRotorsHistorySpecification<
        Real, Index, HISTORY, CLOSED_FORM, l2f::StateRandomForce<With<Delayed>>>>;
    using STATE_TYPE = l2f::StateTrajectory<With<Rotors>>;
    // Position, rotation matrix, velocity, angular velocity, last action: 22 numbers, as the student sees them.
    using LastAction = l2f::observation::ActionHistory<
        l2f::observation::ActionHistorySpecification<Real, Index, HISTORY>>;
    using Rate = l2f::observation::AngularVelocityDelayed<
        l2f::observation::AngularVelocityDelayedSpecification<Real, Index, DELAY, LastAction>>;
    using Velocity = l2f::observation::LinearVelocity<
        l2f::observation::LinearVelocitySpecification<Real, Index, Rate>>;
    using Rotation = l2f::observation::OrientationRotationMatrix<
        l2f::observation::OrientationRotationMatrixSpecification<Real, Index, Velocity>>;
    using OBSERVATION_TYPE = l2f::observation::Position<
        l2f::observation::PositionSpecification<Real, Index, Rotation>>;
    using OBSERVATION_TYPE_PRIVILEGED = OBSERVATION_TYPE;
};
using Env = rlt::rl::environments::Multirotor<l2f::Specification<Real, Index, Raptor>>;
constexpr Index OBSERVATIONS = Env::Observation::DIM, ACTIONS = Env::ACTION_DIM;
constexpr Index EPISODE_STEPS = Env::EPISODE_STEP_LIMIT;
static_assert(OBSERVATIONS == 22 && ACTIONS == 4);
constexpr Index VEHICLES = 4096, SEQUENCES = 64;

// The student of RAPTOR: Dense 22-16 and ReLU, GRU 16, Dense 16-4.
constexpr Index HIDDEN = 16;
template <typename CONTENT, typename NEXT = rlt::nn_models::sequential::OutputModule>
using Module = rlt::nn_models::sequential::Module<CONTENT, NEXT>;
template <Index OUTPUTS, rlt::nn::activation_functions::ActivationFunction ACTIVATION>
using Dense = rlt::nn::layers::dense::BindConfiguration<
    rlt::nn::layers::dense::Configuration<Real, Index, OUTPUTS, ACTIVATION>>;
using Gru = rlt::nn::layers::gru::BindConfiguration<rlt::nn::layers::gru::Configuration<Real, Index, HIDDEN>>;
using Chain = Module<Dense<HIDDEN, rlt::nn::activation_functions::RELU>,
                     Module<Gru, Module<Dense<ACTIONS, rlt::nn::activation_functions::IDENTITY>>>>;
template <typename CAPABILITY, Index BATCH>
using Student = rlt::nn_models::sequential::Build<
    CAPABILITY, Chain, rlt::tensor::Shape<Index, EPISODE_STEPS, BATCH, OBSERVATIONS>>;

template <Index ROWS, Index COLUMNS>
using Matrix = rlt::Matrix<rlt::matrix::Specification<Real, Index, ROWS, COLUMNS>>;
template <Index STEPS, Index ROWS, Index COLUMNS>
using Tensor = rlt::Tensor<rlt::tensor::Specification<Real, Index, rlt::tensor::Shape<Index, STEPS, ROWS, COLUMNS>>>;

// A piece of a work; returns how many units it was.
using Piece = std::function<Index()>;

// Vehicles that fly side by side, each with its own parameters.
struct Fleet {
    Device device;
    Rng rng;
    Env env;
    std::vector<Env::Parameters> parameters{VEHICLES};
    std::vector<Env::State> states{VEHICLES}, nexts{VEHICLES};
    std::vector<Index> ages = std::vector<Index>(VEHICLES);
    std::vector<Real> rewards = std::vector<Real>(VEHICLES);
    Matrix<VEHICLES, OBSERVATIONS> observations;
    Matrix<VEHICLES, ACTIONS> actions;

    Fleet() {
        rlt::init(device);
        rlt::malloc(device, rng);
        rlt::init(device, rng, 0);
        rlt::init(device, env);
        rlt::malloc(device, observations);
        rlt::malloc(device, actions);
        rlt::randn(device, actions, rng);
        for (Index i = 0; i < VEHICLES; i++) {
            rlt::sample_initial_parameters(device, env, parameters[i], rng);
            rlt::sample_initial_state(device, env, parameters[i], states[i], rng);
            ages[i] = i % EPISODE_STEPS; // not all of them end at once
        }
    }

    void observe() {
        for (Index i = 0; i < VEHICLES; i++) {
            auto observation = rlt::row(device, observations, i);
            rlt::observe(device, env, parameters[i], states[i], Env::Observation{}, observation, rng);
        }
    }

    // A control step of every vehicle under its row of `actions`; `ended` hears of the vehicles that begin anew.
    template <typename ENDED>
    void step(ENDED ended) {
        for (Index i = 0; i < VEHICLES; i++) {
            auto action = rlt::row(device, actions, i);
            rlt::step(device, env, parameters[i], states[i], action, nexts[i], rng);
            rewards[i] = rlt::reward(device, env, parameters[i], states[i], action, nexts[i], rng);
            if (rlt::terminated(device, env, parameters[i], nexts[i], rng) || ++ages[i] >= EPISODE_STEPS) {
                rlt::sample_initial_state(device, env, parameters[i], nexts[i], rng);
                ages[i] = 0;
                ended(i);
            }
        }
        std::swap(states, nexts);
    }

    void step_dynamics() {
        for (Index i = 0; i < VEHICLES; i++) {
            auto action = rlt::row(device, actions, i);
            rlt::step(device, env, parameters[i], states[i], action, nexts[i], rng);
        }
        std::swap(states, nexts);
    }
};

// Dynamics alone; unit: a step of a vehicle.
Piece dynamics() {
    auto fleet = std::make_shared<Fleet>();
    return [fleet, starts = fleet->states, age = Index{0}]() mutable {
        if (++age % EPISODE_STEPS == 0) fleet->states = starts;
        fleet->step_dynamics();
        return VEHICLES;
    };
}

// Observation, dynamics, reward, termination and reset under given actions; unit: an env step.
Piece env_step() {
    auto fleet = std::make_shared<Fleet>();
    return [fleet] {
        fleet->observe();
        fleet->step([](Index) {});
        return VEHICLES;
    };
}

// The same with the actions of a student of random weights, evaluated as one batch; unit: an env step.
Piece gru_rollout() {
    using Policy = Student<rlt::nn::capability::Forward<>, VEHICLES>;
    struct Rollout : Fleet {
        Policy policy;
        Policy::Buffer<> buffer;
        Policy::State<> memory;
    };
    auto r = std::make_shared<Rollout>();
    rlt::malloc(r->device, r->policy);
    rlt::malloc(r->device, r->buffer);
    rlt::malloc(r->device, r->memory);
    rlt::init_weights(r->device, r->policy, r->rng);
    rlt::reset(r->device, r->policy, r->memory, r->rng);
    return [r] {
        r->observe();
        auto observations = rlt::to_tensor(r->device, r->observations);
        auto actions = rlt::to_tensor(r->device, r->actions);
        rlt::evaluate_step(r->device, r->policy, observations, r->memory, actions, r->buffer, r->rng);
        auto& gru = r->memory.content_state.next_content_state.state;
        r->step([&](Index i) {
            auto hidden = rlt::view(r->device, gru.state, i);
            rlt::set_all(r->device, hidden, 0);
            rlt::set(r->device, gru.step, 0, i);
        });
        return VEHICLES;
    };
}

// Gradient step of a network on random examples, mean squared error and Adam; `units` is what it counts as.
template <typename Policy, Index STEPS, Index ROWS, Index INPUTS>
Piece update(Index units) {
    struct Training {
        Device device;
        Rng rng;
        Policy policy;
        typename Policy::template Buffer<> buffer;
        rlt::nn::optimizers::Adam<rlt::nn::optimizers::adam::Specification<Real, Index>> adam;
        Tensor<STEPS, ROWS, INPUTS> observations;
        Tensor<STEPS, ROWS, ACTIONS> labels, gradient;
    };
    auto t = std::make_shared<Training>();
    rlt::init(t->device);
    rlt::malloc(t->device, t->rng);
    rlt::init(t->device, t->rng, 0);
    rlt::malloc(t->device, t->policy);
    rlt::malloc(t->device, t->buffer);
    rlt::malloc(t->device, t->adam);
    rlt::malloc(t->device, t->observations);
    rlt::malloc(t->device, t->labels);
    rlt::malloc(t->device, t->gradient);
    rlt::init_weights(t->device, t->policy, t->rng);
    rlt::reset_optimizer_state(t->device, t->adam, t->policy);
    rlt::randn(t->device, t->observations, t->rng);
    rlt::randn(t->device, t->labels, t->rng);
    return [t, units] {
        rlt::forward(t->device, t->policy, t->observations, t->buffer, t->rng);
        auto output = rlt::matrix_view(t->device, rlt::output(t->device, t->policy));
        auto labels = rlt::matrix_view(t->device, t->labels);
        auto gradient = rlt::matrix_view(t->device, t->gradient);
        rlt::nn::loss_functions::mse::gradient(t->device, output, labels, gradient);
        rlt::zero_gradient(t->device, t->policy);
        rlt::backward(t->device, t->policy, t->observations, t->gradient, t->buffer);
        rlt::step(t->device, t->adam, t->policy);
        return units;
    };
}

// The student on 64 sequences of 500 steps; unit: a sequence.
Piece gru_update() {
    using Policy = Student<rlt::nn::capability::Gradient<rlt::nn::parameters::Adam>, SEQUENCES>;
    return update<Policy, EPISODE_STEPS, SEQUENCES, OBSERVATIONS>(SEQUENCES);
}

// 26-256-256-256-4 with ReLU on batches of 256; unit: a sample.
Piece mlp_update() {
    constexpr Index WIDTH = 256, BATCH = 256, INPUTS = 26;
    using Hidden = Dense<WIDTH, rlt::nn::activation_functions::RELU>;
    using Output = Module<Dense<ACTIONS, rlt::nn::activation_functions::IDENTITY>>;
    using Chain = Module<Hidden, Module<Hidden, Module<Hidden, Output>>>;
    using Policy = rlt::nn_models::sequential::Build<rlt::nn::capability::Gradient<rlt::nn::parameters::Adam>, Chain,
                                                     rlt::tensor::Shape<Index, 1, BATCH, INPUTS>>;
    return update<Policy, 1, BATCH, INPUTS>(BATCH);
}

// Runs whole pieces until `seconds` are over and returns the answer to the line.
std::string measure(const Piece& piece, double seconds) {
    using Clock = std::chrono::steady_clock;
    auto begin = Clock::now();
    Index units = 0;
    double elapsed = 0;
    do {
        units += piece();
        elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    } while (elapsed < seconds);
    return "{\"units\": " + std::to_string(units) + ", \"seconds\": " + std::to_string(elapsed) + "}";
}

int main() {
#ifdef RL_TOOLS_BACKEND_ENABLE_OPENBLAS
    openblas_set_num_threads(1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1); // too late for OpenBLAS; RLtools warns without it
    const std::string matrices = "OpenBLAS";
#elif defined(RL_TOOLS_BACKEND_ENABLE_MKL)
    mkl_set_num_threads(1);
    setenv("MKL_NUM_THREADS", "1", 1); // RLtools warns without it
    const std::string matrices = "MKL";
#else
    const std::string matrices = "no BLAS";
#endif
    const std::map<std::string, Piece (*)()> works = {
        {"dynamics", dynamics},
        {"env_step", env_step},
        {"gru_rollout", gru_rollout},
        {"gru_update", gru_update},
        {"mlp_update", mlp_update}};
    std::string names;
    for (const auto& [name, make] : works) names += (names.empty() ? "\"" : ", \"") + name + "\"";
    std::cout << "{\"peer\": \"RLtools l2f, " << matrices << "\", \"works\": [" << names << "]}" << std::endl;
    std::map<std::string, Piece> pieces;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string name;
        double seconds = 0;
        if (!(words >> name >> seconds) || !works.count(name)) {
            std::cout << "{\"error\": \"expected NAME SECONDS with one of the works above\"}" << std::endl;
            continue;
        }
        if (!pieces.count(name)) {
            pieces[name] = works.at(name)();
            measure(pieces[name], 0.2); // warm-up
        }
        std::cout << measure(pieces[name], seconds) << std::endl;
    }
}
