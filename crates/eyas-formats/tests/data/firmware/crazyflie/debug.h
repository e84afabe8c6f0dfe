#pragma once
void debugPrint(const char *format, ...);
#define DEBUG_PRINT debugPrint
