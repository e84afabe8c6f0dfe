#pragma once
#define THRUST_MAX 0.12f /* N, of one motor */
