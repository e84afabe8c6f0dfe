#pragma once
#define M2T(ms) ((unsigned int)(ms))
