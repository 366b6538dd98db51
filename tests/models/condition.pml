/* condition.pml - src/sync/condition.[ch]: nobody sleeps for ever though there is what it waits for.
 *
 *     in the code                              here
 *     the lock, as lock.pml has it             holder; died: how often it came from the dead
 *     place of p: FREE, WAITING, CHOSEN,       state[p], ticket[p]
 *     SLEEPING, with a ticket
 *     tickets                                  tickets
 *     condition_enter()                        enter
 *     condition_sleep(), asleep()              look; one place a step
 *     condition_notify(), choose()             notify
 *     what is waited for                       things: each notifier makes one, each waiter takes one
 *
 * 1 makes a thing and notifies one, THINGS times; 2 and 3 wait for one each. Who gets the lock from the dead mends what
 * it guards.
 *
 * Left out: how the lock is waited for; 'used' and 'more', which say where places are; look_through's
 * forgetting, on which only the number of places depends; deadlines. */
#define FREE 0
#define WAITING 1
#define CHOSEN 2
#define SLEEPING 3

#ifndef THINGS
#define THINGS 1
#endif

byte holder;
byte died;
byte state[4];
byte ticket[4];
byte tickets;
byte things;

#include "roster.pml"

#define acquire()                                                                                   \
    if                                                                                              \
    :: d_step { holder == 0 -> holder = me }                                                        \
    :: d_step { holder != 0 && dead[holder] -> holder = me; died++ }                                \
    fi
#define release() d_step { assert(holder == me); holder = 0 }

#ifdef BUG_NOT_PASSED_ON
#define left_by_the_dead(p) false
#else
#define left_by_the_dead(p) (state[p] == CHOSEN && ticket[p] > mine && dead[p])
#endif
#ifdef BUG_CHOSEN_UNSEEN
#define was_dead(p) false
#else
#define was_dead(p) dead[p]
#endif
#ifdef BUG_HEIR_ALONE
#define owner_died false
#else
#define owner_died (died != turn || (holder != 0 && dead[holder]))
#endif
#define waits(p) (state[p] == WAITING || state[p] == SLEEPING)
#define other (5 - me) /* of the two that wait */

proctype Notifier(byte me)
{
    byte left, n;
    bit sleeps;

    {
        left = THINGS;
more:
        acquire();
        things++;
notify:
        if
        :: d_step { waits(2) && (!waits(3) || ticket[2] < ticket[3]) -> n = 2 }
        :: d_step { waits(3) && (!waits(2) || ticket[3] < ticket[2]) -> n = 3 }
        :: atomic { else -> goto given }
        fi;
        d_step { sleeps = state[n] == SLEEPING; state[n] = CHOSEN; ticket[n] = tickets }; /* [N] */
        if
        :: atomic { was_dead(n) -> state[n] = FREE; sleeps = 0; n = 0; goto notify }
        :: atomic { else -> if :: !sleeps -> goto given :: else fi }
        fi;
        asleep[n] = 0;
given:
        n = 0;
        sleeps = 0;
        release();
        left--;
        if
        :: left > 0 -> goto more
        :: else
        fi;
        over[me] = 1
    } unless { d_step { gone[me] -> left = 0; n = 0; sleeps = 0 } }
}

proctype Waiter(byte me)
{
    byte mine, turn, seen;

    {
        acquire();
enter:
        if
        :: atomic { things > 0 -> goto take }
        :: d_step { else -> mine = tickets; turn = died }
        fi;
        tickets++;
        d_step { state[me] = WAITING; ticket[me] = mine }; /* [E] */
        release();
look:
        seen = deaths;
        if
        :: atomic { state[me] == CHOSEN || owner_died -> goto back }
        :: else
        fi;
        if
        :: atomic { left_by_the_dead(other) -> goto back }
        :: else
        fi;
        if
        :: d_step { waits(me) -> state[me] = SLEEPING } /* [Z] */
        :: atomic { else -> goto look }
        fi;
        SLEEP_WHILE(state[me] == SLEEPING, seen, false, look, look);
back:
        seen = 0;
        acquire();
        if
        :: state[me] == CHOSEN
        :: d_step { state[me] != CHOSEN && left_by_the_dead(other) -> state[other] = FREE } /* [P] */
        :: state[me] != CHOSEN && !left_by_the_dead(other) && died != turn
        :: atomic { else -> assert(holder == me); holder = 0; goto look }
        fi;
        state[me] = FREE; /* [L] */
        mine = 0;
        turn = 0;
        goto enter;
take:
        things--;
        release();
        over[me] = 1
    } unless { d_step { gone[me] -> mine = 0; turn = 0; seen = 0 } }
}

/* Nothing moves any more: who sleeps has nothing to wake up for. Then all are ended. */
#define is_well(p) (gone[p] || over[p] || (asleep[p] && things == 0))
active proctype Watch()
{
    atomic { timeout -> assert((gone[1] || over[1]) && is_well(2) && is_well(3)) };
    d_step { gone[1] = 1; gone[2] = 1; gone[3] = 1 }
}

init
{
    atomic { run Notifier(1); run Waiter(2); run Waiter(3) }
}
