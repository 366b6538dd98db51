/* barrier.pml - src/sync/barrier.[ch]: all parties get the same answer about a round; nobody sleeps for ever.
 *
 *     in the code                                     here
 *     word: acting, releases, leader, sleepers,       word: 1, 2, 2, 1, 1 and 2 bits
 *     broken, round; who sleeps, sleeps on the        LOWER(word)
 *     lower half
 *     place of party p: PARTY(p, r), absent, GONE     place[p]: r, ABSENT, GONE; dead[p] says the rest
 *     barrier_arrive()                                arrive
 *     wait_for_end(), go_on(), look()                 again; one place a step
 *     the action                                      running: the place of who runs it
 *     a deadline                                      with DEADLINE, the third may stop waiting whenever it
 *                                                     sleeps; that would hide who is stranded, so also without
 *
 * Left out: join, expect and leave: each party has its place from the start, as if it were expected; reset; an
 * action that fails; spin(), which is to look again. */
#define BROKEN 4
#define SLEEPERS 8
#define ACTING 256
#define ROUND(w) ((w) & 3)
#define LOWER(w) ((w) & 15)
#define LEADER(w) (((w) >> 4) & 3)
#define RELEASES(w) (((w) >> 6) & 3)
#define NEXT(w, p) (((ROUND(w) + 1) & 3) | ((p) << 4) | (((RELEASES(w) + 1) & 3) << 6))
#define ABSENT 4
#define GONE 5

#ifndef ROUNDS
#define ROUNDS 1
#endif

#ifdef DEADLINE
#define may_be_late (me == 3)
#else
#define may_be_late false
#endif

short word;
byte place[4] = ABSENT;
byte answer[4]; /* about each round; 0: nobody has one yet */
byte running;

#include "roster.pml"

#define is_over(w) (((w) & BROKEN) || ROUND(w) != begun)
#define is_there(p) (place[p] == ROUND(word) || place[p] == GONE || dead[p])
#ifdef SHRINKS
#define all_are_there (is_there(1) && is_there(2) && is_there(3))
#else
#define all_are_there (place[1] == ROUND(word) && place[2] == ROUND(word) && place[3] == ROUND(word))
#endif

proctype User(byte me)
{
    byte begun, released, rounds, n, seen;
    short saw;
    bit missing;

    {
        rounds = ROUNDS;
arrive:
        if
        :: atomic { word & BROKEN -> goto done }
        :: d_step { else -> begun = ROUND(word); released = RELEASES(word) }
        fi;
#ifndef BUG_LOOKS_FIRST
        place[me] = begun; /* [W] */
#endif
again:
        seen = deaths;
        if
        :: atomic { is_over(word) -> goto finish }
        :: atomic { else -> saw = word; if :: saw & ACTING -> goto at_it :: else fi }
        fi;

        n = 1;
        do
        :: d_step { n <= 3 && dead[n] && place[n] != GONE ->
#ifdef SHRINKS
                    place[n] = GONE; n++ } /* [S] */
#else
                    n = 5 }
#endif
        :: d_step { n <= 3 && !(dead[n] && place[n] != GONE) ->
                    missing = missing || (place[n] != GONE && place[n] != ROUND(saw));
                    n++ }
        :: n > 3 -> break
        od;
#ifdef BUG_LOOKS_FIRST
        place[me] = begun;
#endif
        if
        :: atomic { n == 5 -> n = 0; missing = 0; goto dead_one }
        :: atomic { n != 5 && missing -> n = 0; missing = 0; goto to_sleep }
        :: atomic { n != 5 && !missing -> n = 0; goto all_there }
        fi;

at_it:
        if
        :: atomic { place[LEADER(saw)] == GONE || dead[LEADER(saw)] ->
#ifdef SHRINKS
                    goto all_there }
#else
                    goto dead_one }
#endif
        :: atomic { else -> goto to_sleep }
        fi;

dead_one:
        if
        :: atomic { word == saw -> word = (word & ~(ACTING | SLEEPERS)) | BROKEN } /* [B] */
        :: atomic { else -> goto again }
        fi;
        goto woken;

all_there:
        if
#ifdef ACTION
        :: atomic { word == saw -> assert(all_are_there && (running == 0 || dead[running])); running = me;
                    word = (word & ~(3 << 4)) | ACTING | (me << 4) }; /* [A] [T] */
           if
           :: atomic { is_over(word) -> if :: running == me -> running = 0 :: else fi; goto again }
           :: d_step { else -> saw = word; assert(running == me); running = 0;
                       word = NEXT(word, me) } /* [R] */
           fi
#else
#ifdef BUG_TWO_WORDS
        :: d_step { word == saw -> word = (word & (15 << 4)) | ((begun + 1) & 3) };
           d_step { word = word + (1 << 6) }
#else
        :: d_step { word == saw -> assert(all_are_there); word = NEXT(word, me) } /* [R] */
#endif
#endif
        :: atomic { else -> goto again }
        fi;
woken:
        if
        :: atomic { saw & SLEEPERS -> saw = 0; seen = 0; wake_all(); goto again }
        :: atomic { else -> saw = 0; seen = 0; goto again }
        fi;

to_sleep:
        if
        :: d_step { word == saw -> word = word | SLEEPERS; saw = word }
        :: atomic { else -> saw = 0; seen = 0; goto again }
        fi;
        SLEEP_WHILE(LOWER(word) == LOWER(saw), seen, may_be_late, again, too_late);

too_late: /* break_round() */
        if
        :: atomic { is_over(word) -> saw = 0; seen = 0; goto finish }
        :: atomic { else -> saw = word; word = (word & ~(ACTING | SLEEPERS)) | BROKEN; goto woken } /* [B] */
        fi;

finish:
        atomic {
            saw = 0; seen = 0;
            if
            :: RELEASES(word) != released -> assert(answer[begun] != 2); answer[begun] = 1; rounds--
            :: else -> assert(answer[begun] != 1); answer[begun] = 2; rounds = 0
            fi;
            if
            :: rounds > 0 -> goto arrive
            :: else
            fi
        };
done:
        over[me] = 1
    } unless { d_step { gone[me] -> begun = 0; released = 0; rounds = 0; n = 0; seen = 0; saw = 0; missing = 0 } }
}

init
{
    atomic { run User(1); run User(2); run User(3) }
}
