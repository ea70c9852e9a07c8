/* What a device says to PASSFEL and understands of what it is told: OpenAI's Realtime API over a websocket.
 *
 * Plain C without memory of its own and without ESP-IDF, so that it is tested on any computer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PF_RATE 24000 /* Hz of 16-bit mono PCM, both ways */

/* The event that a session begins with. */
extern const char PF_SESSION_UPDATE[];

/* Bytes that an event with so many bytes of audio takes, its end included. */
#define PF_APPEND_SIZE(audio) (64 + ((audio) + 2) / 3 * 4)

/* Write an event that sends audio; returns its length, or 0 where it does not fit. */
size_t pf_append(char *out, size_t size, const void *audio, size_t length);

typedef enum {
    PF_EVENT_OTHER,          /* nothing that a device acts on, or nothing that can be understood */
    PF_EVENT_SESSION,        /* the session has begun: send PF_SESSION_UPDATE */
    PF_EVENT_SPEECH_STARTED, /* somebody speaks; what is being played is over */
    PF_EVENT_SPEECH_STOPPED, /* they have finished, and an answer is on its way */
    PF_EVENT_RESPONSE,       /* an answer begins */
    PF_EVENT_AUDIO,          /* sound of the answer */
    PF_EVENT_RESPONSE_DONE,  /* all of the answer was sent */
    PF_EVENT_ERROR,          /* something that was sent could not be used */
} pf_kind;

typedef struct {
    pf_kind kind;
    const char *audio; /* base64, within the event */
    size_t audio_length;
} pf_event;

/* Read an event; it stays where it is. */
pf_event pf_read(const char *json, size_t length);

/* Decode base64. Returns the bytes written, or -1 where it is none or does not fit. `out` may begin where `in` does. */
ptrdiff_t pf_decode(uint8_t *out, size_t size, const char *in, size_t length);

/* Puts together the pieces in which a websocket's messages arrive. */
typedef struct {
    char *buffer;
    size_t size;
    size_t length;
    bool skipping; /* the message does not fit, and is passed over */
} pf_inbox;

/* Take a piece of a message of `total` bytes. Returns true where `buffer` holds all `length` bytes of one. */
bool pf_take(pf_inbox *inbox, const char *piece, size_t length, size_t offset, size_t total);
