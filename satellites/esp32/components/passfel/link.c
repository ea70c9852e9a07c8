#include "link.h"

static void become(pf_link *link, pf_link_state state, uint32_t now)
{
    link->state = state;
    link->since = link->heard = now;
}

void pf_link_begin(pf_link *link, uint32_t now)
{
    link->network = false;
    link->pause = PF_FIRST_PAUSE;
    link->wait = 0;
    become(link, PF_WAITING, now);
}

void pf_link_network(pf_link *link, bool there, uint32_t now)
{
    if (there && !link->network) {
        /* Another network, another chance. */
        link->pause = PF_FIRST_PAUSE;
        link->wait = 0;
        if (link->state == PF_WAITING) link->since = now;
    }
    link->network = there;
}

void pf_link_opened(pf_link *link, uint32_t now)
{
    become(link, PF_CONNECTED, now);
}

void pf_link_heard(pf_link *link, uint32_t now)
{
    link->heard = now;
}

void pf_link_closed(pf_link *link, bool refused, uint32_t chance, uint32_t now)
{
    if (link->state == PF_WAITING) return;
    if (link->state == PF_CONNECTED && now - link->since >= PF_CALM) link->pause = PF_FIRST_PAUSE;
    if (refused) link->pause = PF_LONGEST_PAUSE;
    link->wait = link->pause / 2 + chance % (link->pause / 2 + 1);
    link->pause = link->pause > PF_LONGEST_PAUSE / 2 ? PF_LONGEST_PAUSE : link->pause * 2;
    become(link, PF_WAITING, now);
}

pf_link_action pf_link_tick(pf_link *link, uint32_t now)
{
    switch (link->state) {
    case PF_WAITING:
        if (!link->network || now - link->since < link->wait) return PF_NOTHING;
        become(link, PF_CONNECTING, now);
        return PF_CONNECT;
    case PF_CONNECTING:
    case PF_CONNECTED:
        return !link->network || now - link->heard >= PF_SILENCE ? PF_DISCONNECT : PF_NOTHING;
    }
    return PF_NOTHING;
}
