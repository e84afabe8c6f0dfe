#pragma once
void vTaskDelay(unsigned int ticks);
