/* roster.pml - who lives, who sleeps, and what a death does: src/life/roster.[ch] and the futexes of the
 * kernel. Each model includes it.
 *
 *     in the code                               here
 *     the kernel has ended the process          gone[p]
 *     party_is_dead(p): its seat is empty       dead[p]
 *     roster.deaths                             deaths
 *     waits for [word, deaths] in the kernel    asleep[p]
 *
 * Processes are 1, 2, 3; up to K of them are killed, each between any two of its steps. The supervisor is
 * not: it is the root, and when that dies nobody is left.
 *
 * Abstract: whoever sleeps may be the one that is woken, not the first alone. Each step sees all those
 * before it, as the operations on these words are seq_cst. */
#ifndef K
#define K 2
#endif
#ifndef AT_DEATH
#define AT_DEATH(p) skip
#endif

bit gone[4];
bit over[4]; /* it has done all that it wanted */
bit dead[4];
bit asleep[4];
byte deaths;
byte kills = K; /* that are still to come */

/* party_sleep(): while 'condition' holds and 'deaths' is what was 'seen'. The kernel looks at one word after
 * the other, so who is asleep may be on its way out again. Goes on at 'after', or at 'too_late' if the
 * deadline came first. */
#ifdef BUG_SLEEPS_THROUGH_DEATHS
#define SOMEBODY_DIED(seen) false
#else
#define SOMEBODY_DIED(seen) (deaths != seen)
#endif
#define SLEEP_WHILE(condition, seen, timed, after, too_late)                                        \
    if                                                                                              \
    :: d_step { condition -> asleep[me] = 1 };                                                      \
       if                                                                                           \
       :: atomic { SOMEBODY_DIED(seen) -> asleep[me] = 0; goto after }                              \
       :: !SOMEBODY_DIED(seen)                                                                      \
       fi;                                                                                          \
       if                                                                                           \
       :: atomic { !asleep[me] -> goto after }                                                      \
       :: atomic { timed && asleep[me] -> asleep[me] = 0; goto too_late }                           \
       fi                                                                                           \
    :: atomic { else -> goto after }                                                                \
    fi

inline wake_all()
{
    d_step { asleep[1] = 0; asleep[2] = 0; asleep[3] = 0 }
}

inline wake_one()
{
    if
    :: d_step { asleep[1] -> asleep[1] = 0 }
    :: d_step { asleep[2] -> asleep[2] = 0 }
    :: d_step { asleep[3] -> asleep[3] = 0 }
    :: else
    fi
}

#define KILL(p)                                                                                     \
    d_step { kills > 0 && !gone[p] && !over[p] ->                                                   \
             gone[p] = 1; asleep[p] = 0; kills--; AT_DEATH(p) }

active proctype Killer()
{
end:
    do
    :: KILL(1)
    :: KILL(2)
    :: KILL(3)
    :: kills > 0 -> kills = 0 /* no more of them, so that nobody is rescued by one */
    od
}

/* roster_died() */
#define DIED(p) d_step { gone[p] && !dead[p] -> dead[p] = 1 }

active proctype Supervisor()
{
end:
    do
    :: if
       :: DIED(1)
       :: DIED(2)
       :: DIED(3)
       fi;
       deaths++;
#ifndef BUG_DEATH_WAKES_NOBODY
       wake_all()
#endif
    od
}
