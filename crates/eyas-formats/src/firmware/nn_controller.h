/* A policy as the neural controller of INDIflight; written by @WRITER@. */
#ifndef NN_CONTROLLER_H
#define NN_CONTROLLER_H

/* Where the policy may be switched on, within 0.5 m: north, east, down [m], and yaw [rad]. */
extern const float start_pos[3];
extern const float start_yaw;

/* The next call of nn_control begins an episode. */
void nn_reset(void);

/* Commands in [0, 1] for rear right, front right, rear left, front left. World state: position and velocity (north, east,
 * down; m, m/s), roll, pitch, yaw [rad], angular velocity (forward, right, down; rad/s), speeds of the motors [rad/s]. */
void nn_control(const float world_state[16], float motor_cmds[4]);

#endif
