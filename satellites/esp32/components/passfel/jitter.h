/* Sound that was received and is still to be played, which smooths over a Wi-Fi's hiccups. No memory of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int16_t *samples;
    size_t size;  /* of `samples`; what comes beyond it pushes out the oldest */
    size_t begin; /* how many samples are there before playing begins, or goes on after a gap */
    size_t first;
    size_t count;
    bool playing;
    bool ended; /* no more of the answer comes: what is there is played without waiting */
} pf_jitter;

/* Take sound. */
void pf_jitter_put(pf_jitter *jitter, const int16_t *samples, size_t count);

/* Note that all of the answer is here. */
void pf_jitter_end(pf_jitter *jitter);

/* Hand out exactly `count` samples, silence where there is nothing to play; returns how many were sound. */
size_t pf_jitter_get(pf_jitter *jitter, int16_t *samples, size_t count);

/* Forget all of it: somebody interrupted. */
void pf_jitter_drop(pf_jitter *jitter);

/* Whether something is heard, or is about to be. */
bool pf_jitter_busy(const pf_jitter *jitter);
