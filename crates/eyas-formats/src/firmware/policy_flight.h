/* What stands between a policy and the loop of a flight controller; written by @WRITER@.
 *
 * The observation, from what is measured; steps at the rate that the policy was trained at, from a loop that is faster:
 * a native step advances the policy's state, a call between two of them acts from a copy; and the action before,
 * averaged over time since the last native step. Native steps keep their phase. A gap between calls that is longer than
 * POLICY_TIMEOUT_US begins an episode. */
#ifndef POLICY_FLIGHT_H
#define POLICY_FLIGHT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "@HEADER@"

/* With -ffast-math a number that is not finite would not be seen. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize ("no-fast-math")
#endif
#ifdef __FAST_MATH__
#error "compile this file without -ffast-math"
#endif

/* Time between native steps: that of the training. */
#define POLICY_NATIVE_US @NATIVE_US@u
#define POLICY_TIMEOUT_US (5u * POLICY_NATIVE_US)

/* SI; x forward, y left, z up. World is the target's frame: its origin, and its yaw. */
typedef struct {
    float position[3];         /* world */
    float velocity[3];         /* less the target's; world */
    float world_from_body[9];  /* rows first */
    float angular_velocity[3]; /* body */
} policy_measured;

/* What is remembered from call to call; all zeros before the first. */
typedef struct {
    policy_state state;
    float action[POLICY_ACTIONS]; /* flies since the last call */
    float sum[POLICY_ACTIONS];    /* action times seconds since the last native step */
    float told[POLICY_ACTIONS];   /* the action before, as the policy was told it */
    uint32_t called_us, native_us, due_us;
    int flies;
} policy_flight;

/* The next call begins an episode, before which `first` was commanded. */
static void policy_flight_begin(policy_flight *flight, float first)
{
    memset(flight, 0, sizeof *flight);
    policy_reset(&flight->state);
    for (int index = 0; index < POLICY_ACTIONS; index++) {
        flight->told[index] = first;
    }
}

/* What is not finite stays so, and is seen. */
static float policy_limited(float x, float limit)
{
    if (x - x != 0.0f) {
        return x;
    }
    return x > limit ? limit : x < -limit ? -limit : x;
}

/* From errors and attitude in the frame that the estimator has, x forward, y left, z up; `yaw` is the target's, rad.
 * Errors are limited axis by axis, as the policy has seen no others: m and m/s. */
static void policy_measure(policy_measured *measured, const float position_error[3], const float velocity_error[3],
                           const float world_from_body[9], float yaw, const float limits[2])
{
    const float c = cosf(yaw), s = sinf(yaw);
    const float *const from[2] = {position_error, velocity_error};
    float *const to[2] = {measured->position, measured->velocity};
    for (int which = 0; which < 2; which++) {
        const float *error = from[which];
        to[which][0] = policy_limited(c * error[0] + s * error[1], limits[which]);
        to[which][1] = policy_limited(c * error[1] - s * error[0], limits[which]);
        to[which][2] = policy_limited(error[2], limits[which]);
    }
    for (int column = 0; column < 3; column++) {
        const float x = world_from_body[column], y = world_from_body[3 + column];
        measured->world_from_body[column] = c * x + s * y;
        measured->world_from_body[3 + column] = c * y - s * x;
        measured->world_from_body[6 + column] = world_from_body[6 + column];
    }
}

/* As the contract at the head of the source file has it. */
static void policy_observe(const policy_measured *measured, const float told[POLICY_ACTIONS],
                           float observation[POLICY_OBSERVATIONS])
{
@OBSERVE@}

/* An action for the newest measurement; it is taken to fly until the next call. 1 after a native step, 0 after another,
 * and -1 if a number is not finite: then nothing has changed, and `action` is not to fly. */
static int policy_flight_control(policy_flight *flight, uint32_t now_us, const policy_measured *measured,
                                 float action[POLICY_ACTIONS])
{
    float observation[POLICY_OBSERVATIONS];
    policy_flight next;
    if (flight->flies && now_us - flight->called_us > POLICY_TIMEOUT_US) {
        policy_flight_begin(flight, 0.0f);
    }
    next = *flight;
    if (!next.flies) {
        next.called_us = next.native_us = next.due_us = now_us;
    }
    const float held = 1e-6f * (float)(now_us - next.called_us);
    const float window = 1e-6f * (float)(now_us - next.native_us);
    for (int index = 0; index < POLICY_ACTIONS; index++) {
        next.sum[index] += next.action[index] * held;
        if (window > 0.0f) {
            next.told[index] = next.sum[index] / window;
        }
    }
    /* Differences of times, which may have wrapped. */
    const int native = (int32_t)(now_us - next.due_us) >= 0;
    policy_observe(measured, next.told, observation);
    for (int index = 0; index < POLICY_OBSERVATIONS; index++) {
        if (observation[index] - observation[index] != 0.0f) {
            return -1;
        }
    }
    if (policy_control(&next.state, observation, next.action)) {
        return -1;
    }
    for (int index = 0; index < POLICY_ACTIONS; index++) {
        next.action[index] = policy_limited(next.action[index], 1.0f);
        action[index] = next.action[index];
    }
    if (native) {
        const uint32_t due = next.due_us + POLICY_NATIVE_US;
        next.due_us = (int32_t)(due - now_us) > 0 ? due : now_us + POLICY_NATIVE_US;
        next.native_us = now_us;
        memset(next.sum, 0, sizeof next.sum);
    } else {
        next.state = flight->state;
    }
    next.called_us = now_us;
    next.flies = 1;
    *flight = next;
    return native;
}

#endif
