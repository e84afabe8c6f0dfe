/* A policy as the neural controller of INDIflight; written by @WRITER@.
 *
 * It flies to the position set-point (posSpNed). Where a number is not finite, or where the policy does not act as it did
 * where it was exported, it hands the vehicle back to INDIflight's own controller, and the motors keep their last
 * commands until that acts. */
#include "nn_controller.h"

#include <stdbool.h>

#include "drivers/time.h"
#include "flight/nn_control.h"
#include "io/external_pos.h"

#include "policy_flight.h"

const float start_pos[3] = {0.0f, 0.0f, -1.5f};
const float start_yaw = 0.0f;

/* Which number of an action each motor takes: rear right, front right, rear left, front left. */
static const uint8_t of_motor[4] = {@MOTORS@};

/* Which errors of position [m] and velocity [m/s] are limited to. */
static const float limits[2] = {0.5f, 1.0f};

static policy_flight flight;
static bool is_tested, is_sound;

void nn_reset(void)
{
    if (!is_tested) {
        is_tested = true;
        is_sound = policy_init(&flight.state) == 0;
    }
    policy_flight_begin(&flight, 0.0f);
}

/* What is measured, with y and z turned around: left for right, up for down. */
static void measure(policy_measured *measured, const float world_state[16])
{
    const float cr = cosf(world_state[6]), sr = sinf(world_state[6]);
    const float cp = cosf(world_state[7]), sp = sinf(world_state[7]);
    const float cy = cosf(world_state[8]), sy = sinf(world_state[8]);
    const float position_error[3] = {
        world_state[0] - posSpNed.pos.V.X,
        posSpNed.pos.V.Y - world_state[1],
        posSpNed.pos.V.Z - world_state[2],
    };
    /* The set-point has a velocity too: that which the position controller would fly with, not the target's. */
    const float velocity_error[3] = {world_state[3], -world_state[4], -world_state[5]};
    const float world_from_body[9] = {
        cp * cy, cr * sy - sr * sp * cy, -(cr * sp * cy + sr * sy),
        -(cp * sy), sr * sp * sy + cr * cy, cr * sp * sy - sr * cy,
        sp, sr * cp, cr * cp,
    };
    policy_measure(measured, position_error, velocity_error, world_from_body, -posSpNed.psi, limits);
    measured->angular_velocity[0] = world_state[9];
    measured->angular_velocity[1] = -world_state[10];
    measured->angular_velocity[2] = -world_state[11];
}

void nn_control(const float world_state[16], float motor_cmds[4])
{
    float action[POLICY_ACTIONS];
    policy_measured measured;
    measure(&measured, world_state);
    if (!is_sound || policy_flight_control(&flight, (uint32_t)micros(), &measured, action) < 0) {
        nn_deactivate();
        return;
    }
    for (int motor = 0; motor < 4; motor++) {
        motor_cmds[motor] = 0.5f * (action[of_motor[motor]] + 1.0f);
    }
}
