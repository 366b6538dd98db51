/* party.c - the calling thread's party: claimed at its first need, given up when the thread ends. */
#include "life.h"
#include "roster.h"

#include <pthread.h>

_Thread_local struct party_mine party_mine;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool keyed;

static void leave(void *unused)
{
    (void)unused;
    if (party_mine.party != 0 && party_mine.process == life_me())
        party_leave(party_mine.party);
    party_mine.party = 0;
}

static void make_key(void)
{
    keyed = pthread_key_create(&key, leave) == 0;
}

uint32_t party_first(void)
{
    uint32_t process = life_me(), me;

    if (process == 0)
        return 0;
    pthread_once(&once, make_key);
    me = party_claim(process);
    if (me != 0 && (!keyed || pthread_setspecific(key, &party_mine) != 0)) {
        party_leave(me);
        return 0;
    }
    party_mine = (struct party_mine){ me, process };
    return me;
}

void party_forget(void)
{
    party_mine.party = 0;
}
