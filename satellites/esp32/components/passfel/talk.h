/* When a device listens: from the press of its button, or an answer, until nobody has said anything for a while.
 *
 * It has no clock of its own: milliseconds come in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "messages.h"

#define PF_FOLLOW_UP 8000u /* milliseconds after an answer in which a further question needs no button */
#define PF_ANSWER 60000u   /* in which an answer begins */

typedef struct {
    bool attends;
    bool speaking; /* somebody speaks to it */
    bool answering;
    bool barge_in; /* it hears nothing of itself, so that it may listen while it speaks */
    uint32_t until;
} pf_talk;

/* Note that the button was pressed: begin to listen, or stop. */
void pf_talk_button(pf_talk *talk, uint32_t now);

/* Follow what the house tells. */
void pf_talk_event(pf_talk *talk, pf_kind kind, uint32_t now);

/* Note that the connection is gone. */
void pf_talk_lost(pf_talk *talk);

/* Whether what the microphone hears is to be sent now; `playing` while something is heard from the device. */
bool pf_talk_listens(pf_talk *talk, bool playing, uint32_t now);
