#include "talk.h"

static bool passed(uint32_t moment, uint32_t now)
{
    return (int32_t)(now - moment) >= 0;
}

void pf_talk_button(pf_talk *talk, uint32_t now)
{
    talk->attends = !talk->attends;
    talk->speaking = talk->answering = false;
    talk->until = now + PF_FOLLOW_UP;
}

void pf_talk_event(pf_talk *talk, pf_kind kind, uint32_t now)
{
    switch (kind) {
    case PF_EVENT_SPEECH_STARTED:
        talk->speaking = true;
        break;
    case PF_EVENT_SPEECH_STOPPED:
        talk->speaking = false;
        talk->until = now + PF_ANSWER;
        break;
    case PF_EVENT_RESPONSE:
        talk->answering = true;
        talk->until = now + PF_ANSWER;
        break;
    case PF_EVENT_RESPONSE_DONE:
        talk->answering = false;
        talk->until = now + PF_FOLLOW_UP;
        break;
    default:
        break;
    }
}

void pf_talk_lost(pf_talk *talk)
{
    talk->attends = talk->speaking = talk->answering = false;
}

bool pf_talk_listens(pf_talk *talk, bool playing, uint32_t now)
{
    if (!talk->attends) return false;
    if (playing) {
        /* What follows an answer is counted from when it was heard. */
        talk->until = now + (talk->answering ? PF_ANSWER : PF_FOLLOW_UP);
        return talk->barge_in;
    }
    if (!talk->speaking && passed(talk->until, now)) talk->attends = false;
    return talk->attends;
}
