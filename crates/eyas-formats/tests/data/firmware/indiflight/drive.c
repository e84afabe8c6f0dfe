/* Calls the controller as INDIflight does, once for each record of the standard input, and writes the commands and
 * whether the controller gave up. */
#include <stdio.h>
#include <string.h>

#include "drivers/time.h"
#include "flight/nn_control.h"
#include "io/external_pos.h"
#include "nn_controller.h"

typedef struct {
    float milliseconds, target[3], yaw, world_state[16];
} record;

pos_setpoint_ned_t posSpNed;
static timeUs_t now;
static int gave_up;

timeUs_t micros(void)
{
    return now;
}

void nn_deactivate(void)
{
    gave_up = 1;
}

int main(void)
{
    record in;
    nn_reset();
    while (fread(&in, sizeof in, 1, stdin) == 1) {
        float out[5] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        /* A clock that is about to wrap. */
        now = 0u - 500000u + (timeUs_t)(1000.0f * in.milliseconds);
        memcpy(posSpNed.pos.A, in.target, sizeof in.target);
        posSpNed.psi = in.yaw;
        gave_up = 0;
        nn_control(in.world_state, out + 1);
        out[0] = (float)gave_up;
        fwrite(out, sizeof out, 1, stdout);
    }
    return 0;
}
