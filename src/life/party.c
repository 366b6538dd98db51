/* party.c - the calling thread's party: claimed at its first need, given up when the thread ends. */
#include "life.h"
#include "roster.h"

#include <pthread.h>

static _Thread_local uint32_t mine __attribute__((tls_model("initial-exec")));
static _Thread_local uint32_t mine_in __attribute__((tls_model("initial-exec"))); /* the party; the process's id in its crew then */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool keyed;

static void leave(void *unused)
{
    (void)unused;
    if (mine != 0 && mine_in == life_me())
        party_leave(mine);
    mine = 0;
}

static void make_key(void)
{
    keyed = pthread_key_create(&key, leave) == 0;
}

uint32_t party_me(void)
{
    uint32_t process = life_me(), me;

    if (__builtin_expect(mine != 0 && mine_in == process, 1))
        return mine;
    if (process == 0)
        return 0;
    pthread_once(&once, make_key);
    me = party_claim(process);
    if (me != 0 && (!keyed || pthread_setspecific(key, &mine) != 0)) {
        party_leave(me);
        return 0;
    }
    mine_in = process;
    return mine = me;
}

void party_forget(void)
{
    mine = 0;
}
