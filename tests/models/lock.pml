/* lock.pml - src/sync/lock.[ch]: one is inside; of each death inside one is told; nobody sleeps for ever.
 *
 *     in the code                            here
 *     lock.word: waiters:1 hurt:1 owner:30   word, with three bits for the owner
 *     lock_acquire(), its fast path, spin()  acquire: what they may do is [A] there
 *     inherit() and the caller's repair      mend
 *     lock_release()                         release
 *     what the lock guards                   half: a change is under way, or was left so
 *     a deadline                             the third may stop waiting whenever it sleeps
 *
 * A swap that fails changes nothing, and all is looked at anew: so to look and to swap are one step here, but
 * where the owner was found alive: it may be so no longer when the waiters' bit is set.
 *
 * Left out: the numbers, on which nothing depends; CREW_NOW, which is to look once. */
#define OWNER 7
#define HURT 8
#define WAITERS 16
#define BROKEN (HURT | OWNER)
#define owner (word & OWNER)
#define is_broken ((word & ~WAITERS) == BROKEN)
#define is_held (word != 0 && !is_broken)

#ifndef ROUNDS
#define ROUNDS 2
#endif

byte word;
bit untold;  /* somebody died with the lock, and nobody was told of it yet */
byte inside; /* who has it, and knows */
bit half;

#define AT_DEATH(p) if :: owner == p -> untold = 1 :: else fi
#include "roster.pml"

#ifdef BUG_BIT_DROPPED
#define slept_bit 0
#else
#define slept_bit (slept * WAITERS)
#endif
#ifdef BUG_DEAD_UNSEEN
#define owner_is_dead false
#else
#define owner_is_dead dead[owner]
#endif

proctype User(byte me)
{
    byte rounds, seen, saw;
    bit slept, hurt;

    {
        rounds = ROUNDS;
acquire:
        if
        :: atomic { word == 0 -> word = me | slept_bit; /* [A] */
                    assert(inside == 0 && !half && !untold); inside = me; half = 1; goto change }
        :: atomic { is_held && owner_is_dead -> word = me | (word & WAITERS) | slept_bit | HURT; /* [T] */
                    assert(untold); untold = 0; inside = me; half = 1; hurt = 1; goto change }
        :: atomic { is_broken -> goto done }
        :: d_step { is_held -> seen = deaths };
           if
           :: d_step { is_held && !owner_is_dead -> saw = word };
              if
              :: d_step { word == saw -> word = word | WAITERS; saw = word };
                 SLEEP_WHILE(word == saw, seen, me == 3, look_again, next)
              :: atomic { else -> saw = 0; seen = 0; goto acquire }
              fi
           :: atomic { else -> seen = 0; goto acquire }
           fi
        fi;
look_again:
        atomic { slept = 1; saw = 0; seen = 0; goto acquire };

change:
        if
        :: d_step { !hurt -> assert(inside == me); inside = 0; half = 0 }
        :: d_step { hurt -> assert(inside == me); inside = 0; half = 0 };
           d_step { assert(owner == me); word = word & ~HURT; hurt = 0 } /* [C] */
        :: d_step { hurt -> inside = 0 } /* it is left as it is */
        fi;

        slept = 0;
        if
        :: atomic { hurt -> hurt = 0; assert(owner == me); word = BROKEN }; /* [B] */
           wake_all()
        :: atomic { !hurt && (word & WAITERS) -> assert(owner == me); word = 0 }; /* [R] */
           wake_one()
        :: atomic { !hurt && !(word & WAITERS) -> assert(owner == me); word = 0 } /* [R] */
        fi;

next:
        atomic {
            saw = 0; slept = 0; seen = 0; rounds--;
            if
            :: rounds > 0 -> goto acquire
            :: else
            fi
        };
done:
        over[me] = 1
    } unless { d_step { gone[me] -> rounds = 0; seen = 0; saw = 0; slept = 0; hurt = 0 } }
}

init
{
    atomic { run User(1); run User(2); run User(3) }
}
