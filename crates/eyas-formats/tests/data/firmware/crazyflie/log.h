#pragma once
#include <stdint.h>
struct log_s { int type; const char *name; const void *address; };
#define LOG_UINT8 1
#define LOG_UINT32 3
#define LOG_FLOAT 7
#define LOG_GROUP_START(NAME) const struct log_s logs_##NAME[] = { {0, #NAME, 0},
#define LOG_ADD(TYPE, NAME, ADDRESS) {TYPE, #NAME, (const void *)(ADDRESS)},
#define LOG_GROUP_STOP(NAME) {0, 0, 0} };
