/* A policy as an out-of-tree controller of the Crazyflie; written by @WRITER@.
 *
 * While the parameter eyas.fly is 1 and the set-point is a position, the policy commands the motors; all else flies the
 * firmware's own PID, which also takes over for good where a number is not finite. What it needs of the firmware: the
 * interface of out-of-tree controllers and normalised forces (controlModeForce), release 2023.02 or later. */
#include <stdbool.h>
#include <stdint.h>

#include "app.h"
#include "FreeRTOS.h"
#include "task.h"
#include "autoconf.h"
#include "controller.h"
#include "controller_pid.h"
#include "log.h"
#include "param.h"
#include "platform_defaults.h"

#define DEBUG_MODULE "EYAS"
#include "debug.h"

#include "policy_flight.h"

/* Main-loop steps, of 1 ms, from call to call. */
#define CALL_STEPS @CALL_STEPS@u

/* Which number of an action each motor takes: M1 front right, M2 back right, M3 back left, M4 front left. */
static const uint8_t of_motor[4] = {@MOTORS@};

static policy_flight flight;

/* Which errors of position [m] and velocity [m/s] are limited to. */
static float limits[2] = {0.5f, 1.0f};

/* Thrust of a rotor [N] at a set-point u from 0 to 1, t[0] + t[1] u + t[2] u^2: that of the vehicle which the policy
 * was trained for, here RLtools' Crazyflie. Used where the firmware makes up for the battery's voltage. */
static float t[3] = {0.00352526f, 0.01437313f, 0.09223048f};

/* Motors that stand are turned at this share of the full command for so long before the policy acts. */
static float warm_up = 0.15f;
static uint16_t warm_up_ms = 500;

static uint8_t fly;
static uint8_t flies;    /* 0 PID, 1 warm-up, 2 the policy */
static uint8_t fault;    /* 1 a number was not finite, 2 the self-test failed; cleared by eyas.fly = 0 */
static bool is_turning;  /* whether the motors turn */
static uint32_t turning_since;
static uint32_t natives; /* native steps */
static float action[4];

void appMain(void)
{
    while (1) {
        vTaskDelay(M2T(2000));
    }
}

void controllerOutOfTreeInit(void)
{
    controllerPidInit();
    policy_flight_begin(&flight, 0.0f);
    flies = 0;
    is_turning = false;
    fault = policy_init(&flight.state) ? 2 : 0;
    if (fault) {
        DEBUG_PRINT("the policy does not act as it did where it was exported: it will not fly\n");
    }
}

bool controllerOutOfTreeTest(void)
{
    return controllerPidTest() && fault != 2;
}

/* What the firmware takes for a set-point u of a rotor from 0 to 1. */
static float force(float u)
{
#ifdef CONFIG_ENABLE_THRUST_BAT_COMPENSATED
    /* A share of the greatest thrust, which the firmware turns into a voltage. */
    const float share = (t[0] + u * (t[1] + u * t[2])) / THRUST_MAX;
    return share > 1.0f ? 1.0f : share;
#else
    /* The duty of the motor's switch. */
    return u;
#endif
}

/* What is measured, from an estimate in m and m/s and from a gyroscope in deg/s. */
static void measure(policy_measured *measured, const setpoint_t *setpoint, const sensorData_t *sensors,
                    const state_t *state)
{
    const float radians = 0.017453293f;
    const point_t *position = &state->position, *target = &setpoint->position;
    const velocity_t *velocity = &state->velocity, *wanted = &setpoint->velocity;
    const float w = state->attitudeQuaternion.w, x = state->attitudeQuaternion.x;
    const float y = state->attitudeQuaternion.y, z = state->attitudeQuaternion.z;
    const float position_error[3] = {position->x - target->x, position->y - target->y, position->z - target->z};
    const float velocity_error[3] = {velocity->x - wanted->x, velocity->y - wanted->y, velocity->z - wanted->z};
    const float world_from_body[9] = {
        1.0f - 2.0f * (y * y + z * z), 2.0f * (x * y - w * z), 2.0f * (x * z + w * y),
        2.0f * (x * y + w * z), 1.0f - 2.0f * (x * x + z * z), 2.0f * (y * z - w * x),
        2.0f * (x * z - w * y), 2.0f * (y * z + w * x), 1.0f - 2.0f * (x * x + y * y),
    };
    const float yaw = setpoint->mode.yaw == modeAbs ? radians * setpoint->attitude.yaw : 0.0f;
    policy_measure(measured, position_error, velocity_error, world_from_body, yaw, limits);
    measured->angular_velocity[0] = radians * sensors->gyro.x;
    measured->angular_velocity[1] = radians * sensors->gyro.y;
    measured->angular_velocity[2] = radians * sensors->gyro.z;
}

static void command(control_t *control, const float u[4])
{
    control->controlMode = controlModeForce;
    for (int motor = 0; motor < 4; motor++) {
        control->normalizedForces[motor] = u[motor];
    }
}

void controllerOutOfTree(control_t *control, const setpoint_t *setpoint, const sensorData_t *sensors,
                         const state_t *state, const uint32_t step)
{
    const bool is_position =
        setpoint->mode.x == modeAbs && setpoint->mode.y == modeAbs && setpoint->mode.z == modeAbs;
    if (!fly && fault == 1) {
        fault = 0;
    }
    if (!fly || fault || !is_position) {
        flies = 0;
        controllerPid(control, setpoint, sensors, state, step);
        is_turning = control->thrust > 0.0f;
        return;
    }
    if (flies == 0) {
        /* In the air the motors turn already, and what they were told says nothing to the policy. */
        policy_flight_begin(&flight, is_turning ? 0.0f : 2.0f * warm_up - 1.0f);
        flies = is_turning ? 2 : 1;
        turning_since = step;
    }
    if (flies == 1) {
        if (step - turning_since < warm_up_ms) {
            const float u[4] = {warm_up, warm_up, warm_up, warm_up};
            command(control, u);
            return;
        }
        flies = 2;
    }
    if (step % CALL_STEPS == 0 || !flight.flies) {
        policy_measured measured;
        measure(&measured, setpoint, sensors, state);
        const int kind = policy_flight_control(&flight, 1000u * step, &measured, action);
        if (kind < 0) {
            fault = 1;
            flies = 0;
            DEBUG_PRINT("a number was not finite: the PID flies\n");
            controllerPid(control, setpoint, sensors, state, step);
            return;
        }
        natives += (uint32_t)kind;
    }
    float u[4];
    for (int motor = 0; motor < 4; motor++) {
        u[motor] = force(0.5f * (action[of_motor[motor]] + 1.0f));
    }
    is_turning = true;
    command(control, u);
}

PARAM_GROUP_START(eyas)
PARAM_ADD(PARAM_UINT8, fly, &fly)
PARAM_ADD(PARAM_FLOAT, plimit, &limits[0])
PARAM_ADD(PARAM_FLOAT, vlimit, &limits[1])
PARAM_ADD(PARAM_FLOAT, t0, &t[0])
PARAM_ADD(PARAM_FLOAT, t1, &t[1])
PARAM_ADD(PARAM_FLOAT, t2, &t[2])
PARAM_ADD(PARAM_FLOAT, warm, &warm_up)
PARAM_ADD(PARAM_UINT16, warmms, &warm_up_ms)
PARAM_GROUP_STOP(eyas)

LOG_GROUP_START(eyas)
LOG_ADD(LOG_UINT8, flies, &flies)
LOG_ADD(LOG_UINT8, fault, &fault)
LOG_ADD(LOG_UINT32, natives, &natives)
LOG_ADD(LOG_FLOAT, a0, &action[0])
LOG_ADD(LOG_FLOAT, a1, &action[1])
LOG_ADD(LOG_FLOAT, a2, &action[2])
LOG_ADD(LOG_FLOAT, a3, &action[3])
LOG_GROUP_STOP(eyas)
