#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef uint32_t stabilizerStep_t;

typedef union { struct { float x, y, z; }; float axis[3]; } Axis3f;
typedef struct { uint32_t timestamp; float roll, pitch, yaw; } attitude_t; /* deg */
struct vec3_s { uint32_t timestamp; float x, y, z; };
typedef struct vec3_s point_t;
typedef struct vec3_s velocity_t;
typedef struct vec3_s acc_t;
typedef struct { union { struct { float q0, q1, q2, q3; }; struct { float x, y, z, w; }; }; } quaternion_t;

typedef struct { Axis3f acc, gyro, mag; uint64_t interruptTimestamp; } sensorData_t; /* g, deg/s, gauss */

typedef struct {
    attitude_t attitude;
    quaternion_t attitudeQuaternion;
    point_t position;    /* m */
    velocity_t velocity; /* m/s */
    acc_t acc;
} state_t;

typedef enum { controlModeLegacy, controlModeForceTorque, controlModeForce } control_mode_t;

typedef struct {
    union {
        struct { int16_t roll, pitch, yaw; float thrust; };
        struct { float thrustSi; float torque[3]; };
        float normalizedForces[4]; /* 0 to 1 */
    };
    control_mode_t controlMode;
} control_t;

typedef enum { modeDisable, modeAbs, modeVelocity } stab_mode_t;
typedef struct { stab_mode_t x, y, z, roll, pitch, yaw, quat; } setpoint_mode_t;

typedef struct {
    uint32_t timestamp;
    attitude_t attitude, attitudeRate;
    quaternion_t attitudeQuaternion;
    float thrust;
    point_t position;
    velocity_t velocity;
    acc_t acceleration;
    bool velocity_body;
    setpoint_mode_t mode;
} setpoint_t;
