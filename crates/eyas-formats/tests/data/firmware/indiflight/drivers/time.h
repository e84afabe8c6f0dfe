#pragma once
#include <stdint.h>
typedef uint32_t timeUs_t;
timeUs_t micros(void);
