/* A microphone such as the INMP441 and a speaker such as the MAX98357A, on I2S, at PF_RATE. */
#pragma once

#include <stddef.h>
#include <stdint.h>

void sound_begin(void);

/* Fill `samples` with what the microphone hears; takes as long as it lasts. */
void sound_hear(int16_t *samples, size_t count);

/* Play; takes about as long as it lasts. */
void sound_play(const int16_t *samples, size_t count);
