/* When to connect, and how long to wait after it went wrong. It has no clock of its own: milliseconds come in. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PF_FIRST_PAUSE 1000u   /* milliseconds before the second try, twice as many each time … */
#define PF_LONGEST_PAUSE 60000u /* … up to a minute */
#define PF_CALM 30000u          /* a connection that held so long was a good one */
#define PF_SILENCE 45000u       /* nothing came for so long, not even a ping: the house is gone */

typedef enum {
    PF_WAITING,    /* for the network, or for a pause to end */
    PF_CONNECTING, /* the websocket is being opened */
    PF_CONNECTED,  /* it is open */
} pf_link_state;

typedef enum { PF_NOTHING, PF_CONNECT, PF_DISCONNECT } pf_link_action;

typedef struct {
    pf_link_state state;
    bool network;
    uint32_t pause;
    uint32_t since; /* when the state began, or the pause */
    uint32_t heard;
    uint32_t wait;
} pf_link;

/* Begin; there is no network yet. */
void pf_link_begin(pf_link *link, uint32_t now);

/* Note that the network is there, or gone. */
void pf_link_network(pf_link *link, bool there, uint32_t now);

/* Note that the websocket is open. */
void pf_link_opened(pf_link *link, uint32_t now);

/* Note that anything came through it. */
void pf_link_heard(pf_link *link, uint32_t now);

/* Note that it is closed, or could not be opened. `refused`: the house does not know the token, which no hurry mends.
 * `chance` is any random number; it keeps the devices of a house from coming all at once. */
void pf_link_closed(pf_link *link, bool refused, uint32_t chance, uint32_t now);

/* What is to be done now; ask a few times a second. */
pf_link_action pf_link_tick(pf_link *link, uint32_t now);
