#pragma once
void nn_deactivate(void);
