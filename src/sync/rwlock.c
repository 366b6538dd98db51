/* rwlock.c - a lock for the writer (lock.c), and a word for each reader.
 *
 *   reader word  waited:1 wants:1 owner:30, one for each party: nobody else's name stands in it
 *
 *     0             not there
 *     p             reads; or is about to see whether a writer is there
 *     p waited      the same, and the writer sleeps until it has gone
 *     p wants       waits for the writer
 *     p wants poked the same, and has to look again (the bit of 'waited')
 *
 *   writer        the lock of lock.c: FREE, held by who writes or waits for the readers to go, BROKEN
 *   inside        0, or who writes; written by the owner of 'writer' alone. A name that is not the owner's:
 *                 it died writing, and nobody has said since that all is whole
 *   wanted        1: there are words with 'wants' that nobody has been through yet
 *   used          a bit for each line that had a reader, ever: others need not be looked at
 *
 *     reader  [A] 0 -> p; [L] looks at 'writer': FREE: it reads. Else [B] p -> p wants; wanted = 1, or is so
 *             already; looks again, in either case; sleeps on its word. When it finds FREE: p wants -> p, and again [L].
 *     release [C] p -> 0, and if it was waited for, wakes
 *     writer  [W] gets 'writer'; [D] waits for each word to be 0 or to want, 0 for the dead; [I] inside = p
 *     release [O] inside = 0; [G] if wanted: wanted = 0, and p wants -> p for all: they read, before the next
 *             writer; gives 'writer' back; [P] if wanted by now: wanted = 0, and all that want are poked,
 *             for they may have looked before. Not mended: no [O], no [G].
 *     downgrade: 0 -> p, then as release
 *
 * Who gets 'writer' from the dead looks at 'inside'. 0: nothing was written, and it goes on as if nobody had
 * died; a reader becomes a reader at once, and gives 'writer' back. Else it is alone: since [I] 'writer' was
 * never free, so that no reader got past [L], and [D] is behind it. It is told, or mends.
 *
 * Order  [A] then [L], against [W] then [D]: all in the one total order (seq_cst). So the reader sees the
 *        writer, or the writer the reader.
 *        'wants' and wanted = 1, then the look at 'writer', against 'writer' FREE, then [P]: the same.
 *        [G] before 'writer' is free: the next writer sees those that were let in.
 *        [C] release -> [D] acquire    the data were read before they are written
 *        [G], 'writer' FREE release -> the reader's look acquire    what was written
 *
 * The thread dies ...                 others see              what helps
 *   reading, or about to              p of the dead           the writer is woken by the death, and puts 0
 *   wanting                           p wants, of the dead    nobody waits for it; [G] may let it in: as above
 *   between [C] and the wake-up       0, a writer asleep      all waiters are woken on each death
 *   between [W] and [I], [O] and the  'writer' of the dead,   the next one takes it: nothing is half written
 *   end of the release                inside 0
 *   writing, or mending               the same, inside        the next one is told, or mends
 *   in [G], [P], having put wanted 0  wants, asleep           all waiters are woken on each death; they want
 *                                                             again, or take 'writer' themselves
 *   in a downgrade                    p, inside the dead      the next writer is told
 *
 * A word of a dead party is in the way of the next one with its number: that one puts 0 first. */
#include "rwlock.h"

#include "deadlock.h"

#include <errno.h>
#include <string.h>

#define WAITED (UINT32_C(1) << 31)
#define POKED WAITED
#define WANTS (UINT32_C(1) << 30)
#define OWNER PARTY_NAME
#define BROKEN PARTY_NAME /* what the lock's owner is then */

int rwlock_init(struct rwlock_shm *rw, const struct crew_lock_options *options)
{
    static const struct crew_lock_options none;
    struct crew_lock_options of_writer = options ? *options : none;

    memset(rw, 0, sizeof *rw);
    rw->repair = of_writer.repair;
    rw->context = of_writer.context;
    of_writer.repair = NULL; /* only who knows 'inside' knows whether there is something to mend */
    rw->magic = RWLOCK_MAGIC;
    return lock_init(&rw->writer, &of_writer, "rwlock");
}

/* -- the words ----------------------------------------------------------------------------- */

/* Where a party has its word. Neighbours in the roster are on different lines; the last ones, which are
 * rarely there, on what lines are left over. */
struct place {
    uint32_t line, reader;
};

enum { COMMON_LINES = 128, COMMON = COMMON_LINES * LINE_READERS };

static inline struct place place_of(uint32_t me)
{
    uint32_t n = me & (PARTIES - 1);

    if (__builtin_expect(n < COMMON, 1))
        return (struct place){ n % COMMON_LINES, n / COMMON_LINES };
    n -= COMMON;
    return (struct place){ COMMON_LINES + n / LINE_READERS, n % LINE_READERS };
}

static inline _Atomic uint32_t *word_of(struct rwlock_shm *rw, uint32_t me)
{
    struct place place = place_of(me);

    return &rw->line[place.line].reader[place.reader];
}

/* The writer is to look at this line, from now on. */
static inline void use_line(struct rwlock_shm *rw, uint32_t me)
{
    uint32_t line = place_of(me).line;
    uint64_t bit = UINT64_C(1) << line % 64;

    if (__builtin_expect(!(load_relaxed(&rw->used[line / 64]) & bit), 0))
        atomic_fetch_or(&rw->used[line / 64], bit);
}

/* The first line in use, from 'line' on; READER_LINES: there is none. */
static uint32_t used_line(struct rwlock_shm *rw, uint32_t line)
{
    while (line < READER_LINES) {
        uint64_t bits = load_total(&rw->used[line / 64]) >> line % 64;

        if (bits != 0) {
            line += (uint32_t)__builtin_ctzll(bits);
            break;
        }
        line = (line / 64 + 1) * 64;
    }
    return line < READER_LINES ? line : READER_LINES;
}

#define EACH_USED_LINE(rw, line)                                                                   \
    uint32_t line = used_line(rw, 0);                                                              \
    (line) < READER_LINES;                                                                         \
    (line) = used_line(rw, (line) + 1)

/* -- numbers ------------------------------------------------------------------------------- */

/* 'begin': when it began to sleep, 0 if it did not. */
static void waited(struct rwlock_shm *rw, uint32_t me, crew_time begin)
{
    crew_time slept = begin ? crew_time_now() - begin : 0;
    crew_time longest = load_relaxed(&rw->longest);

    atomic_fetch_add(&rw->contended, 1);
    if (begin == 0)
        return;
    atomic_fetch_add(&rw->waited, slept);
    while (slept > longest)
        if (swap_if(&rw->longest, &longest, slept)) {
            store_relaxed(&rw->longest_by, me);
            return;
        }
}

static void count_read(struct rwlock_shm *rw, uint32_t me)
{
    _Atomic uint64_t *reads = &rw->line[place_of(me).line].reads;

    store_relaxed(reads, load_relaxed(reads) + 1);
}

/* -- letting go of 'writer' ---------------------------------------------------------------- */

/* [G]: it wants, and reads. */
static void let_in(_Atomic uint32_t *at)
{
    uint32_t word = load_total(at);

    while (word & WANTS)
        if (swap_if(at, &word, word & OWNER)) {
            party_wake(at, 1);
            return;
        }
}

/* [P]: it wants, and looks again. */
static void poke(_Atomic uint32_t *at)
{
    uint32_t word = load_total(at);

    while ((word & (WANTS | POKED)) == WANTS)
        if (swap_if(at, &word, word | POKED)) {
            party_wake(at, 1);
            return;
        }
}

/* If any want. */
static void tell_all(struct rwlock_shm *rw, void (*tell)(_Atomic uint32_t *at))
{
    if (__builtin_expect(load_total(&rw->wanted) == 0, 1))
        return;
    store_total(&rw->wanted, 0);
    for (EACH_USED_LINE(rw, line))
        for (uint32_t n = 0; n < LINE_READERS; n++)
            tell(&rw->line[line].reader[n]);
}

static bool is_hurt(const struct rwlock_shm *rw, uint32_t me)
{
    uint32_t inside = load_relaxed(&rw->inside);

    return inside != 0 && inside != me;
}

static void let_go(struct rwlock_shm *rw, uint32_t me)
{
    if (!is_hurt(rw, me)) {
        store_release(&rw->inside, 0); /* [O] */
        tell_all(rw, let_in);
    }
    lock_release(&rw->writer, me);
    tell_all(rw, poke);
}

/* 'writer' is ours, from the dead. 0: all is whole, and nobody needs to know. */
static int inherit(struct rwlock_shm *rw, uint32_t me)
{
    if (load_acquire(&rw->inside) != 0) {
        store_relaxed(&rw->died, load_relaxed(&rw->died) + 1);
        if (!rw->repair || rw->repair(rw->context) != 0)
            return CREW_EOWNERDEAD;
        store_release(&rw->inside, me);
    }
    return lock_consistent(&rw->writer, me);
}

/* -- reading ------------------------------------------------------------------------------- */

/* It does not read any more, or does not want to. Returns what its word was. */
static uint32_t leave(_Atomic uint32_t *own)
{
    uint32_t word = atomic_exchange(own, 0); /* [C] */

    if (word & WAITED)
        party_wake(own, INT32_MAX);
    return word;
}

/* [B]: there is a writer. */
static void step_back(_Atomic uint32_t *own, uint32_t me)
{
    if (atomic_exchange(own, me | WANTS) & WAITED)
        party_wake(own, INT32_MAX);
}

/* False: it was let in at the last moment. */
static bool withdraw(_Atomic uint32_t *own)
{
    uint32_t word = load_total(own);

    while (word & WANTS)
        if (swap_if(own, &word, 0))
            return true;
    return false;
}

/* The writer is dead: takes its place for a moment, or, if it died inside, for good. -EAGAIN: another did. */
static int replace(struct rwlock_shm *rw, uint32_t me, _Atomic uint32_t *own)
{
    int r = lock_acquire(&rw->writer, me, CREW_NOW);

    if (r == CREW_EOWNERDEAD)
        r = inherit(rw, me);
    else if (r < 0)
        return -EAGAIN;
    if (r < 0) {
        store_relaxed(&rw->writes, load_relaxed(&rw->writes) + 1);
        leave(own);
        return r;
    }
    atomic_exchange(own, me);
    let_go(rw, me);
    return 0;
}

/* -EAGAIN: look again. */
static int look(struct rwlock_shm *rw, uint32_t me, _Atomic uint32_t *own, crew_time deadline)
{
    uint32_t word = load_total(own);
    uint32_t writer;

    if ((word & (WANTS | POKED)) == (WANTS | POKED) && !swap_if(own, &word, me | WANTS))
        return -EAGAIN;
    writer = load_total(&rw->writer.word);
    if ((writer & OWNER) == BROKEN) {
        leave(own);
        return -ENOTRECOVERABLE;
    }
    if (!(word & WANTS))
        return 0;
    if (writer == 0) {
        word = me | WANTS;
        if (!swap_if(own, &word, me))
            return -EAGAIN;
        if (load_total(&rw->writer.word) == 0) /* [L] */
            return 0;
        step_back(own, me);
        return -EAGAIN;
    }
    if ((writer & OWNER) == me)
        return withdraw(own) ? -EDEADLK : 0;
    if (party_is_dead(writer & OWNER))
        return replace(rw, me, own);
    return deadline == CREW_NOW && withdraw(own) ? -EBUSY : -EAGAIN;
}

static int await_writer(struct rwlock_shm *rw, uint32_t me, _Atomic uint32_t *own,
                        crew_time deadline)
{
    crew_time begin = 0;

    step_back(own, me);
    for (unsigned i = 0; deadline != CREW_NOW && i < RWLOCK_SPIN; i++) {
        if (load_relaxed(&rw->writer.word) == 0)
            break;
        os_relax();
    }
    for (;;) {
        uint32_t deaths = party_deaths(), writer = load_total(&rw->writer.word);
        int r = look(rw, me, own, deadline);

        if (r == 0) {
            count_read(rw, me);
            waited(rw, me, begin);
        }
        if (r == -EBUSY)
            return -EAGAIN;
        if (r != -EAGAIN)
            return r;
        if (load_total(&rw->wanted) == 0)
            store_total(&rw->wanted, 1);
        if (writer == 0 || load_total(&rw->writer.word) != writer)
            continue; /* 'wanted' may have come too late for this writer, also where another said it */
        if (begin == 0)
            begin = crew_time_now();
        r = party_sleep_for(me, own, me | WANTS, &rw->writer.word, WAITS_FOR_WRITER, deaths, deadline);
        if (r < 0) {
            r = deadlock_at(me, &rw->writer.word, WAITS_FOR_WRITER);
            if (withdraw(own))
                return r;
        }
    }
}

int rwlock_acquire_read(struct rwlock_shm *rw, uint32_t me, crew_time deadline)
{
    _Atomic uint32_t *own = word_of(rw, me);
    uint32_t word = 0;

    use_line(rw, me);
    while (__builtin_expect(!swap_if(own, &word, me), 0)) { /* [A] */
        if ((word & OWNER) == me)
            return -EDEADLK;
        leave(own); /* of the dead that had our number */
        word = 0;
    }
    if (__builtin_expect(load_total(&rw->writer.word) != 0, 0)) /* [L] */
        return await_writer(rw, me, own, deadline);
    count_read(rw, me);
    return 0;
}

/* -- writing ------------------------------------------------------------------------------- */

/* [D], for one. */
static int await_reader(uint32_t me, _Atomic uint32_t *at, crew_time *begin, crew_time deadline)
{
    for (unsigned i = 0;; i++) {
        uint32_t deaths = party_deaths();
        uint32_t word = load_total(at);
        int r;

        if (word == 0 || word & WANTS)
            return 0;
        if (party_is_dead(word & OWNER)) {
            swap_if(at, &word, 0);
            continue;
        }
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (i < RWLOCK_SPIN && !(word & WAITED)) {
            os_relax();
            continue;
        }
        if (!(word & WAITED) && !swap_if(at, &word, word | WAITED))
            continue;
        if (*begin == 0)
            *begin = crew_time_now();
        r = party_sleep_for(me, at, word | WAITED, at, WAITS_FOR_READER, deaths, deadline);
        if (r < 0)
            return deadlock_at(me, at, WAITS_FOR_READER);
    }
}

static int await_readers(struct rwlock_shm *rw, uint32_t me, crew_time deadline)
{
    crew_time begin = 0;

    for (EACH_USED_LINE(rw, line))
        for (uint32_t n = 0; n < LINE_READERS; n++) {
            _Atomic uint32_t *at = &rw->line[line].reader[n];
            int r = load_total(at) == 0 ? 0 : await_reader(me, at, &begin, deadline);

            if (r < 0)
                return r;
        }
    if (begin != 0)
        waited(rw, me, begin);
    return 0;
}

int rwlock_acquire_write(struct rwlock_shm *rw, uint32_t me, crew_time deadline)
{
    int r;

    if ((load_relaxed(word_of(rw, me)) & OWNER) == me)
        return -EDEADLK;
    r = lock_acquire(&rw->writer, me, deadline); /* [W] */
    if (r == CREW_EOWNERDEAD)
        r = inherit(rw, me);
    if (r == 0 && load_relaxed(&rw->inside) == 0) {
        r = await_readers(rw, me, deadline);
        if (r < 0)
            let_go(rw, me);
        else
            store_release(&rw->inside, me); /* [I] */
    }
    if (r == 0 || r == CREW_EOWNERDEAD)
        store_relaxed(&rw->writes, load_relaxed(&rw->writes) + 1);
    return r;
}

int rwlock_consistent(struct rwlock_shm *rw, uint32_t me)
{
    if (lock_holder(&rw->writer) != me)
        return -EPERM;
    if (!is_hurt(rw, me))
        return -EINVAL;
    store_release(&rw->inside, me);
    return lock_consistent(&rw->writer, me);
}

int rwlock_downgrade(struct rwlock_shm *rw, uint32_t me)
{
    if (lock_holder(&rw->writer) != me)
        return -EPERM;
    if (is_hurt(rw, me))
        return -EINVAL;
    use_line(rw, me);
    atomic_exchange(word_of(rw, me), me);
    let_go(rw, me);
    count_read(rw, me);
    return 0;
}

int rwlock_release(struct rwlock_shm *rw, uint32_t me)
{
    _Atomic uint32_t *own = word_of(rw, me);

    if (__builtin_expect((load_relaxed(own) & OWNER) == me, 1)) {
        leave(own);
        return 0;
    }
    if (lock_holder(&rw->writer) != me)
        return -EPERM;
    let_go(rw, me);
    return 0;
}

/* -- asking -------------------------------------------------------------------------------- */

void rwlock_numbers(const struct rwlock_shm *rw, struct crew_rwlock_stats *stats)
{
    *stats = (struct crew_rwlock_stats){
        .writes = load_relaxed(&rw->writes),
        .contended = load_relaxed(&rw->contended) + load_relaxed(&rw->writer.contended),
        .died = load_relaxed(&rw->died),
        .waited = load_relaxed(&rw->waited) + load_relaxed(&rw->writer.waited),
        .held = load_relaxed(&rw->writer.held),
        .longest_held = load_relaxed(&rw->writer.longest_held),
    };
    for (uint32_t line = 0; line < READER_LINES; line++) {
        stats->reads += load_relaxed(&rw->line[line].reads);
        for (uint32_t n = 0; n < LINE_READERS; n++) {
            uint32_t word = load_relaxed(&rw->line[line].reader[n]);

            stats->reading += word != 0 && !(word & WANTS) && !party_is_dead(word & OWNER);
        }
    }
}

const char *rwlock_check(const struct rwlock_shm *rw)
{
    if (rw->magic != RWLOCK_MAGIC)
        return "this is no lock for readers and writers";
    if (load_acquire(&rw->inside) != 0 && load_acquire(&rw->writer.word) == 0)
        return "somebody is inside a lock that is free";
    for (uint32_t line = 0; line < READER_LINES; line++)
        for (uint32_t n = 0; n < LINE_READERS; n++) {
            uint32_t word = load_acquire(&rw->line[line].reader[n]);

            if (word == 0)
                continue;
            if (place_of(word & OWNER).line != line || place_of(word & OWNER).reader != n)
                return "a reader has another's word";
            if (!(load_acquire(&rw->used[line / 64]) & UINT64_C(1) << line % 64))
                return "a reader that no writer looks at";
        }
    return lock_check(&rw->writer);
}
