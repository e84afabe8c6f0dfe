#pragma once
#include <stdint.h>
struct param_s { int type; const char *name; void *address; };
#define PARAM_UINT8 8
#define PARAM_UINT16 9
#define PARAM_FLOAT 6
#define PARAM_GROUP_START(NAME) const struct param_s params_##NAME[] = { {0, #NAME, 0},
#define PARAM_ADD(TYPE, NAME, ADDRESS) {TYPE, #NAME, (void *)(ADDRESS)},
#define PARAM_GROUP_STOP(NAME) {0, 0, 0} };
