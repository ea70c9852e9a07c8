#include "jitter.h"

#include <string.h>

void pf_jitter_put(pf_jitter *jitter, const int16_t *samples, size_t count)
{
    if (count > jitter->size) {
        samples += count - jitter->size;
        count = jitter->size;
    }
    if (count == 0) return;
    size_t surplus = jitter->count + count > jitter->size ? jitter->count + count - jitter->size : 0;
    jitter->first = (jitter->first + surplus) % jitter->size;
    jitter->count -= surplus;
    for (size_t i = 0; i < count; i++)
        jitter->samples[(jitter->first + jitter->count + i) % jitter->size] = samples[i];
    jitter->count += count;
    jitter->ended = false;
}

void pf_jitter_end(pf_jitter *jitter)
{
    jitter->ended = true;
}

size_t pf_jitter_get(pf_jitter *jitter, int16_t *samples, size_t count)
{
    if (jitter->count >= jitter->begin || (jitter->ended && jitter->count > 0)) jitter->playing = true;
    size_t sound = !jitter->playing ? 0 : count < jitter->count ? count : jitter->count;
    for (size_t i = 0; i < sound; i++) samples[i] = jitter->samples[(jitter->first + i) % jitter->size];
    memset(samples + sound, 0, (count - sound) * sizeof *samples);
    if (sound > 0) {
        jitter->first = (jitter->first + sound) % jitter->size;
        jitter->count -= sound;
    }
    if (sound < count) jitter->playing = false;
    return sound;
}

void pf_jitter_drop(pf_jitter *jitter)
{
    jitter->first = jitter->count = 0;
    jitter->playing = jitter->ended = false;
}

bool pf_jitter_busy(const pf_jitter *jitter)
{
    return jitter->count > 0;
}
