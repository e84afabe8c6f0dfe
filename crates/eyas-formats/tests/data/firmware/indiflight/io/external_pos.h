#pragma once
#include <stdbool.h>
typedef union { float A[3]; struct { float X, Y, Z; } V; } fp_vector_t;
typedef struct {
    fp_vector_t pos, vel; /* north, east, down; m, m/s */
    float psi;
    bool trackPsi;
} pos_setpoint_ned_t;
extern pos_setpoint_ned_t posSpNed;
