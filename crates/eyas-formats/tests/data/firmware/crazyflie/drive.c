/* Calls the controller as the stabilizer's loop does, once for each record of the standard input, and writes what it
 * commands: its mode and four numbers. The PID here commands the thrust of the set-point. */
#include <stdio.h>
#include <string.h>

#include "controller.h"
#include "controller_pid.h"
#include "debug.h"
#include "param.h"
#include "task.h"

typedef struct {
    float step, fly, is_position, thrust;
    float target[3], wanted[3], yaw;
    float position[3], velocity[3], quaternion[4], gyro[3];
} record;

extern const struct param_s params_eyas[];

void vTaskDelay(unsigned int ticks)
{
    (void)ticks;
}

void debugPrint(const char *format, ...)
{
    fputs(format, stderr);
}

void controllerPidInit(void)
{
}

bool controllerPidTest(void)
{
    return true;
}

void controllerPid(control_t *control, const setpoint_t *setpoint, const sensorData_t *sensors, const state_t *state,
                   const stabilizerStep_t step)
{
    (void)sensors;
    (void)state;
    (void)step;
    control->controlMode = controlModeLegacy;
    control->thrust = setpoint->thrust;
}

static struct vec3_s vector(const float from[3])
{
    const struct vec3_s to = {0, from[0], from[1], from[2]};
    return to;
}

int main(void)
{
    static control_t control;
    record in;
    uint8_t *fly = 0;
    for (const struct param_s *it = params_eyas; it->name; it++) {
        if (!strcmp(it->name, "fly")) {
            fly = it->address;
        }
    }
    controllerOutOfTreeInit();
    if (!controllerOutOfTreeTest() || !fly) {
        return 3;
    }
    while (fread(&in, sizeof in, 1, stdin) == 1) {
        setpoint_t setpoint;
        sensorData_t sensors;
        state_t state;
        memset(&setpoint, 0, sizeof setpoint);
        memset(&sensors, 0, sizeof sensors);
        memset(&state, 0, sizeof state);
        if (in.is_position != 0.0f) {
            setpoint.mode.x = setpoint.mode.y = setpoint.mode.z = setpoint.mode.yaw = modeAbs;
        }
        setpoint.thrust = in.thrust;
        setpoint.position = vector(in.target);
        setpoint.velocity = vector(in.wanted);
        setpoint.attitude.yaw = in.yaw;
        state.position = vector(in.position);
        state.velocity = vector(in.velocity);
        state.attitudeQuaternion.w = in.quaternion[0];
        state.attitudeQuaternion.x = in.quaternion[1];
        state.attitudeQuaternion.y = in.quaternion[2];
        state.attitudeQuaternion.z = in.quaternion[3];
        memcpy(sensors.gyro.axis, in.gyro, sizeof in.gyro);
        *fly = in.fly != 0.0f;
        controllerOutOfTree(&control, &setpoint, &sensors, &state, (uint32_t)in.step);
        float out[5] = {(float)control.controlMode, control.thrust, 0.0f, 0.0f, 0.0f};
        if (control.controlMode == controlModeForce) {
            memcpy(out + 1, control.normalizedForces, sizeof control.normalizedForces);
        }
        fwrite(out, sizeof out, 1, stdout);
    }
    return 0;
}
