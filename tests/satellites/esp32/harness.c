/* Lets a test drive the device's code: commands on standard input, answers on standard output.
 *
 * Each is a letter and a length of four bytes, little-endian, with so many bytes behind them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jitter.h"
#include "link.h"
#include "messages.h"
#include "talk.h"

static uint32_t number(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void answer(const void *data, uint32_t length)
{
    fwrite(&length, sizeof length, 1, stdout);
    fwrite(data, 1, length, stdout);
    fflush(stdout);
}

/* A copy of exactly its size, so that reading beyond it is caught. */
static void *own(const void *data, size_t length)
{
    void *copy = malloc(length ? length : 1);
    memcpy(copy, data, length);
    return copy;
}

static void read_event(const uint8_t *data, uint32_t length)
{
    char *json = own(data, length);
    pf_event event = pf_read(json, length);
    uint8_t *out = malloc(event.audio_length + 2);
    ptrdiff_t decoded = event.audio ? pf_decode(out + 2, event.audio_length, event.audio, event.audio_length) : 0;
    out[0] = (uint8_t)event.kind;
    out[1] = decoded < 0;
    answer(out, (uint32_t)(decoded < 0 ? 2 : decoded + 2));
    free(out);
    free(json);
}

static void append(const uint8_t *data, uint32_t length)
{
    size_t size = PF_APPEND_SIZE((size_t)length);
    char *out = malloc(size);
    size_t written = pf_append(out, size, data, length);
    if (pf_append(out, size - 1, data, length) != 0) abort();
    pf_append(out, size, data, length);
    answer(out, (uint32_t)written);
    free(out);
}

static void take_piece(const uint8_t *data, uint32_t length)
{
    static char buffer[1000];
    static pf_inbox inbox = {buffer, sizeof buffer, 0, false};
    bool whole = pf_take(&inbox, (const char *)data + 8, length - 8, number(data), number(data + 4));
    answer(inbox.buffer, whole ? (uint32_t)inbox.length : 0);
}

static void play(uint8_t command, const uint8_t *data, uint32_t length)
{
    static int16_t samples[50];
    static pf_jitter jitter = {samples, 50, 10, 0, 0, false, false};
    int16_t out[200];
    uint32_t count;
    switch (command) {
    case 'p':
        pf_jitter_put(&jitter, (const int16_t *)(const void *)data, length / 2);
        break;
    case 'g':
        count = number(data);
        out[0] = (int16_t)pf_jitter_get(&jitter, out + 1, count);
        answer(out, (count + 1) * 2);
        return;
    case 'e':
        pf_jitter_end(&jitter);
        break;
    case 'd':
        pf_jitter_drop(&jitter);
        break;
    }
    uint8_t busy = pf_jitter_busy(&jitter);
    answer(&busy, 1);
}

static void connect(const uint8_t *data)
{
    static pf_link link;
    uint32_t argument = number(data + 1), now = number(data + 5);
    pf_link_action action = PF_NOTHING;
    switch (data[0]) {
    case 'b':
        pf_link_begin(&link, now);
        break;
    case 'n':
        pf_link_network(&link, argument != 0, now);
        break;
    case 'o':
        pf_link_opened(&link, now);
        break;
    case 'h':
        pf_link_heard(&link, now);
        break;
    case 'c':
        pf_link_closed(&link, false, argument, now);
        break;
    case 'r':
        pf_link_closed(&link, true, argument, now);
        break;
    case 't':
        action = pf_link_tick(&link, now);
        break;
    }
    uint8_t out[] = {(uint8_t)link.state, (uint8_t)action};
    answer(out, sizeof out);
}

static void talk(const uint8_t *data)
{
    static pf_talk talking;
    uint32_t argument = number(data + 1), now = number(data + 5);
    switch (data[0]) {
    case 'n':
        talking = (pf_talk){.barge_in = argument != 0};
        break;
    case 'b':
        pf_talk_button(&talking, now);
        break;
    case 'e':
        pf_talk_event(&talking, (pf_kind)argument, now);
        break;
    case 'l':
        pf_talk_lost(&talking);
        break;
    }
    uint8_t listens = pf_talk_listens(&talking, data[0] == 'p', now);
    answer(&listens, 1);
}

int main(void)
{
    uint8_t command;
    uint32_t length;
    while (fread(&command, 1, 1, stdin) == 1 && fread(&length, sizeof length, 1, stdin) == 1) {
        uint8_t *data = malloc(length ? length : 1);
        if (fread(data, 1, length, stdin) != length) return 1;
        switch (command) {
        case 'S':
            answer(PF_SESSION_UPDATE, (uint32_t)strlen(PF_SESSION_UPDATE));
            break;
        case 'R':
            read_event(data, length);
            break;
        case 'A':
            append(data, length);
            break;
        case 'I':
            take_piece(data, length);
            break;
        case 'L':
            connect(data);
            break;
        case 'T':
            talk(data);
            break;
        default:
            play(command, data, length);
        }
        free(data);
    }
    return 0;
}
