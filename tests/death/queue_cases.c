/* queue_cases.c - Description: if one of these failed, a message could be lost, torn, or delivered twice, a
 * queue could stay full or locked for ever, or strand who waits at it, because somebody died.
 *
 * src/channel/ring.c and queue.c over the allocator, handover.c, lock.c and the roster. A message says who put
 * it, in each of its bytes. Afterwards the root empties the queue, puts and gets once more, and takes the queue
 * apart: then no block is left. */
#include "cases.h"

#include <channel/queue.h>
#include <memory/alloc.h>

#include <errno.h>
#include <string.h>

#define SPACE (10 * ARENA_PAGE)
#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))
#define REPAIRER(n) ((5u + (n)) << SEAT_BITS | 9u) /* each is killed, and the next one comes */
#define BEFORE 4 /* the value of what was put beforehand; processes put their number + 1 */
#define VALUES 6
#define SHORT 16
#define LONG 40
#define SLOTS 2
#define ROOMY 20000 /* bytes of each block: three to a page, so that a sweep has little to look at */

struct notes {
    uint32_t party[DEATH_PROCESSES], root;
    _Atomic uint32_t put[VALUES]; /* put() returned 0           */
    _Atomic uint32_t got[VALUES]; /* by somebody who told of it */
    _Atomic uint32_t doing[VALUES]; /* task_done() was called, or will be at once */
    _Atomic uint32_t over; /* somebody was told that nothing is left */
    uint32_t repairs, repairer;
    _Atomic uint32_t torn;
    uint32_t size;                /* of the messages            */
    uint32_t leases;
};

struct memory {
    char arena[SPACE];
    struct roster_shm roster;
    _Alignas(64) struct queue_shm queue;
    struct notes notes;
};

static struct arena arena;

static struct memory *here(void)
{
    return (struct memory *)(void *)death_arena;
}

static uint32_t process_of(uint32_t party)
{
    const struct notes *n = &here()->notes;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (n->party[p] == party)
            return PROCESS(p);
    return n->repairer != 0 && party == n->repairer ? REPAIRER(n->repairs - 1) : ROOT;
}

static int get_memory(uint32_t party, size_t size, void **block)
{
    struct alloc_cache cache;

    alloc_cache_init(&cache, process_of(party));
    return alloc_block(&arena, &cache, size < ROOMY ? ROOMY : size, block);
}

static void free_memory(uint32_t party, void *block)
{
    if (alloc_free(&arena, process_of(party), block) < 0)
        death_misuse("what is freed is no block");
}

/* -- what is there before ------------------------------------------------------------------------- */

static int put_at(uint32_t me, unsigned value, unsigned level, crew_time deadline)
{
    unsigned char bytes[LONG];
    struct queue_message message = { .data = bytes, .size = here()->notes.size, .level = level };
    int r;

    memset(bytes, (int)value, sizeof bytes);
    r = queue_put(&here()->queue, me, &message, deadline);
    if (r == 0) {
        queue_tell(&here()->queue, 1);
        atomic_fetch_add(&here()->notes.put[value], 1);
    }
    return r;
}

static int put_value(uint32_t me, unsigned value, crew_time deadline)
{
    return put_at(me, value, 0, deadline);
}

/* The value of a message; 0: it is torn. */
static unsigned value_in(const unsigned char *bytes, size_t size)
{
    for (size_t i = 1; i < size; i++)
        if (bytes[i] != bytes[0])
            return 0;
    return size == here()->notes.size && bytes[0] < VALUES ? bytes[0] : 0;
}

static int get_value(uint32_t me, unsigned *value, struct crew_lease *lease, crew_time deadline)
{
    unsigned char bytes[LONG];
    size_t size = 0;
    int r = queue_get(&here()->queue, me, &(struct ring_want){ .buf = bytes, .capacity = sizeof bytes },
                      &size, lease, deadline);

    if (r == 0)
        *value = value_in(bytes, size);
    return r;
}

static void make_levels(unsigned levels, size_t size, bool lease, unsigned laps, unsigned full)
{
    struct memory *m = here();
    struct crew_queue_options options = { .capacity = SLOTS, .message_size = SHORT, .lease = lease,
                                          .leases = 2, .priorities = levels };
    struct crew_lease none;
    void *memory;
    size_t bytes;
    unsigned value;

    arena_init(&arena, death_arena, SPACE);
    roster_use(&arena, &m->roster);
    handover_use(get_memory, free_memory);
    store_relaxed(&queue_patience, 0);
    if (roster_sit(ROOT, 1, "root") < 0)
        death_misuse("the roster");
    m->notes.root = party_claim(ROOT);
    m->notes.size = (uint32_t)size;
    m->notes.leases = lease;
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        void *block;

        if (roster_sit(PROCESS(p), (int)(100 + p), "process") < 0)
            death_misuse("the roster");
        m->notes.party[p] = party_claim(PROCESS(p));
        if (get_memory(m->notes.party[p], LONG, &block) < 0) /* it has a page of its own already */
            death_misuse("the arena");
        free_memory(m->notes.party[p], block);
    }
    if (queue_measure(&options, &bytes) < 0 || get_memory(m->notes.root, bytes, &memory) < 0)
        death_misuse("the arena");
    memset(memory, 0x5a, bytes);
    queue_make(&m->queue, m->notes.root, &options, memory);
    for (unsigned i = 0; i < laps; i++) {
        if (put_value(m->notes.root, BEFORE, CREW_NOW) < 0 ||
            get_value(m->notes.root, &value, &none, CREW_NOW) < 0)
            death_misuse("the queue");
        if (lease)
            queue_task_done(&m->queue, m->notes.root, none.ticket);
    }
    memset(&m->notes.put, 0, sizeof m->notes.put);
    for (unsigned i = 0; i < full; i++)
        if (put_value(m->notes.root, BEFORE + i, CREW_NOW) < 0)
            death_misuse("the queue");
}

static void make(size_t size, bool lease, unsigned laps, unsigned full)
{
    make_levels(1, size, lease, laps, full);
}

static void empty_short(void) { make(SHORT, false, 0, 0); }
static void empty_long(void) { make(LONG, false, 0, 0); }
static void wrapped_short(void) { make(SHORT, false, 3, 1); }
static void wrapped_long(void) { make(LONG, false, 3, 1); }
static void full_short(void) { make(SHORT, false, 1, SLOTS); }
static void full_long(void) { make(LONG, false, 1, SLOTS); }
static void lent_short(void) { make(SHORT, true, 1, 1); }
static void lent_long(void) { make(LONG, true, 1, 1); }

/* Both priorities are full. */
static void full_levels(void)
{
    make_levels(2, SHORT, false, 0, SLOTS);
    for (unsigned i = 0; i < SLOTS; i++)
        if (put_at(here()->notes.root, VALUES - 3, 1, CREW_NOW) < 0)
            death_misuse("the queue");
}

/* Got by somebody with a lease, who died. */
static void came_back(size_t size)
{
    struct crew_lease lease;
    unsigned value;

    make(size, true, 1, 1);
    if (get_value(here()->notes.party[2], &value, &lease, CREW_NOW) < 0)
        death_misuse("the queue");
    roster_died(PROCESS(2));
    alloc_sweep(&arena, PROCESS(2));
}

static void came_back_short(void) { came_back(SHORT); }
static void came_back_long(void) { came_back(LONG); }

/* -- what they do ------------------------------------------------------------------------- */

static int put(unsigned p, crew_time deadline)
{
    int r = put_value(here()->notes.party[p], p + 1, deadline);

    return r == -EAGAIN ? 0 : r;
}

static int get(unsigned p, crew_time deadline)
{
    struct crew_lease lease = { 0 };
    uint32_t me = here()->notes.party[p];
    unsigned value = 0;
    int r = get_value(me, &value, &lease, deadline);

    if (r == CREW_ECLOSED)
        store_total(&here()->notes.over, 1);
    if (r < 0)
        return r == -EAGAIN || r == CREW_ECLOSED ? 0 : r;
    if (value == 0)
        atomic_fetch_add(&here()->notes.torn, 1);
    if (here()->notes.leases) {
        atomic_fetch_add(&here()->notes.doing[value], 1);
        r = queue_task_done(&here()->queue, me, lease.ticket);
        if (r < 0)
            return r;
    }
    atomic_fetch_add(&here()->notes.got[value], 1);
    return 0;
}

/* Two messages, one after the other; and who gets both in that order, or else it is torn. */
static int put_two_0(void)
{
    int r = put(0, CREW_FOREVER);

    return r < 0 ? r : put_value(here()->notes.party[0], 3, CREW_FOREVER);
}

static int get_two_1(void)
{
    struct crew_lease lease;
    uint32_t me = here()->notes.party[1];
    unsigned value = 0, next = 0;
    int r = get_value(me, &value, &lease, CREW_FOREVER);

    if (r == 0)
        atomic_fetch_add(&here()->notes.got[value], 1);
    if (r == 0)
        r = get_value(me, &next, &lease, CREW_FOREVER);
    if (r == 0)
        atomic_fetch_add(&here()->notes.got[next], 1);
    if (r == 0 && (value != 1 || next != 3))
        atomic_fetch_add(&here()->notes.torn, 1);
    return r;
}

static int put_0(void) { return put(0, CREW_FOREVER); }
static int put_1(void) { return put(1, CREW_FOREVER); }
static int try_put_0(void) { return put(0, CREW_NOW); }
static int get_0(void) { return get(0, CREW_FOREVER); }
static int get_1(void) { return get(1, CREW_FOREVER); }
static int get_2(void) { return get(2, CREW_FOREVER); }
static int try_get_0(void) { return get(0, CREW_NOW); }

static int put_block_0(void)
{
    uint32_t me = here()->notes.party[0];
    struct queue_message message = { .size = here()->notes.size };
    int r = get_memory(me, message.size, &message.block);

    if (r < 0)
        return r;
    memset(message.block, 1, message.size);
    r = queue_put(&here()->queue, me, &message, CREW_FOREVER);
    if (r < 0)
        return r;
    queue_tell(&here()->queue, 1);
    atomic_fetch_add(&here()->notes.put[1], 1);
    return 0;
}

static int get_block_0(void)
{
    uint32_t me = here()->notes.party[0];
    size_t size = 0;
    void *block;
    int r = queue_get(&here()->queue, me, &(struct ring_want){ .block = &block }, &size, NULL, CREW_FOREVER);
    unsigned value;

    if (r < 0)
        return r;
    value = value_in(block, size);
    if (value == 0)
        atomic_fetch_add(&here()->notes.torn, 1);
    atomic_fetch_add(&here()->notes.got[value], 1);
    free_memory(me, block);
    return 0;
}

static int peek_0(void)
{
    unsigned char bytes[LONG];
    size_t size = 0;
    int r = queue_get(&here()->queue, here()->notes.party[0],
                      &(struct ring_want){ .buf = bytes, .capacity = sizeof bytes, .peek = true }, &size,
                      NULL, CREW_NOW);

    if (r == 0 && value_in(bytes, size) == 0)
        atomic_fetch_add(&here()->notes.torn, 1);
    return r == -EAGAIN ? 0 : r;
}

/* Has no room for it: it stays first. */
static int get_nothing_0(void)
{
    unsigned char byte;
    struct crew_lease lease;
    size_t size = 0;
    int r = queue_get(&here()->queue, here()->notes.party[0], &(struct ring_want){ .buf = &byte, .capacity = 1 },
                      &size, &lease, CREW_NOW);

    return r == -EMSGSIZE || r == -EAGAIN ? 0 : r;
}

static int shut_1(void)
{
    queue_shut(&here()->queue);
    return get(1, CREW_FOREVER);
}

static int put_low_0(void) { return put_at(here()->notes.party[0], 1, 0, CREW_FOREVER); }
static int put_high_1(void) { return put_at(here()->notes.party[1], 2, 1, CREW_FOREVER); }

/* Takes one of the greater priority. */
static int get_high_2(void)
{
    struct crew_lease lease;
    unsigned value;

    return get_value(here()->notes.party[2], &value, &lease, CREW_FOREVER);
}

static int put_and_shut_0(void)
{
    int r = put(0, CREW_NOW);

    queue_shut(&here()->queue);
    return r;
}

static int shut_and_empty_0(void)
{
    int r;

    queue_shut(&here()->queue);
    do {
        r = get(0, CREW_FOREVER);
    } while (r == 0 && !load_acquire(&here()->notes.over));
    return r;
}

static int shut_0(void)
{
    queue_shut(&here()->queue);
    return 0;
}

static int put_before_shut_1(void)
{
    int r = put(1, CREW_FOREVER);

    return r == CREW_ECLOSED ? 0 : r;
}

/* -- afterwards --------------------------------------------------------------------------- */

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (!(dead & 1u << p))
            continue;
        roster_died(PROCESS(p));
        alloc_sweep(&arena, PROCESS(p));
    }
}

/* A process comes and looks at the queue, which repairs it. Called again: it was killed at that, too. */
static void recover_and_look(unsigned dead)
{
    struct notes *n = &here()->notes;
    struct os_word word;

    recover(dead);
    if (n->repairs > 0) {
        roster_died(REPAIRER(n->repairs - 1));
        alloc_sweep(&arena, REPAIRER(n->repairs - 1));
    }
    n->repairer = 0;
    n->repairs++;
    if (roster_sit(REPAIRER(n->repairs - 1), 99, "repairer") < 0)
        death_misuse("the roster");
    n->repairer = party_claim(REPAIRER(n->repairs - 1));
    queue_ready(&here()->queue, n->repairer, &word);
}

static const char *take_apart(void)
{
    struct crew_memory_stats stats;
    struct queue_shm *queue = &here()->queue;
    const char *wrong = queue_check(queue);

    if (wrong)
        return wrong;
    queue_unmake(queue, here()->notes.root);
    wrong = alloc_check(&arena, &stats);
    if (!wrong)
        wrong = roster_check();
    return wrong ? wrong : stats.blocks > 0 ? "memory is left" : NULL;
}

static const char *check(const struct death_end *ends)
{
    struct notes *n = &here()->notes;
    struct queue_shm *queue = &here()->queue;
    struct crew_lease lease = { 0 };
    unsigned found[VALUES] = { 0 }, value = 0, dead = 0, left = 0;
    bool shut = load_acquire(&queue->shut) != 0, blocked = false;
    int r;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        dead += ends[p].how == DEATH_KILLED;
        blocked |= ends[p].how == DEATH_BLOCKED;
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0)
            return "broken: a call failed";
    }
    if (load_acquire(&n->torn))
        return "broken: a message is torn";
    while ((r = get_value(n->root, &value, &lease, CREW_NOW)) == 0) {
        if (value == 0)
            return "broken: a message is torn";
        found[value]++;
        left++;
        if (n->leases && queue_task_done(queue, n->root, lease.ticket) < 0)
            return "a lease can't be done";
    }
    if (left > 0 && load_acquire(&n->over))
        return "lost: it came after who waited was told that nothing would";
    if (r != (shut ? CREW_ECLOSED : -EAGAIN))
        return "an empty queue says something else";
    if (blocked && left > 0 && left < SLOTS)
        return "hang: there was a message and room, and somebody sleeps";
    if (blocked && shut)
        return "hang: it is shut, and somebody sleeps";
    for (unsigned v = 1; v < VALUES; v++) {
        unsigned seen = found[v] + load_acquire(&n->got[v]);

        if (seen > 1)
            return "twice: a message";
        if (seen == 0 && load_acquire(&n->put[v]) && (n->leases ? !load_acquire(&n->doing[v]) : dead == 0))
            return "lost: a message";
    }
    if (queue_join(queue, n->root, CREW_NOW) != 0)
        return "something is not through";
    if (!shut) {
        for (unsigned i = 0; i < SLOTS; i++)
            if (put_value(n->root, 1, CREW_NOW) != 0)
                return "hang: there is no room in an empty queue";
        if (put_value(n->root, 1, CREW_NOW) != -EAGAIN)
            return "a full queue takes one more";
        for (unsigned i = 0; i < SLOTS; i++)
            if (get_value(n->root, &value, &lease, CREW_NOW) != 0 || value != 1)
                return "lost: what was put afterwards";
    }
    return take_apart();
}

/* No getter died: nothing may be missing. */
static const char *check_put(const struct death_end *ends)
{
    struct notes *n = &here()->notes;
    uint32_t expected = 0;
    struct crew_queue_stats stats;
    struct os_word word;

    queue_ready(&here()->queue, n->root, &word);
    for (unsigned v = 1; v < VALUES; v++)
        expected += load_acquire(&n->put[v]) - load_acquire(&n->got[v]);
    queue_count(&here()->queue, &stats);
    if (stats.messages + stats.leased < expected)
        return "lost: what was put";
    return check(ends);
}

/* One got it with a lease, and died: it is there, or was done, and done() is its last step but one. */
static const char *check_lease(const struct death_end *ends)
{
    struct crew_queue_stats stats;
    struct os_word word;

    queue_ready(&here()->queue, here()->notes.root, &word);
    queue_count(&here()->queue, &stats);
    if (stats.leased > 0)
        return "hang: a lease of the dead";
    return check(ends);
}

static const char *check_levels(const struct death_end *ends)
{
    for (unsigned p = 0; p < 2; p++)
        if (ends[p].how == DEATH_BLOCKED && ring_has_room(&here()->queue.ring[p]))
            return "hang: there is room, and who waits for it sleeps";
    return queue_check(&here()->queue);
}

#define QUEUE_CASE(what, before, repair, after, ...)                                             \
    { .name = "queue: " what, .size = sizeof(struct memory), .setup = before, .recover = repair, \
      .check = after, .operation = { __VA_ARGS__ } }

static const struct death_case list[] = {
    QUEUE_CASE("put", empty_short, recover_and_look, check_put, put_0),
    QUEUE_CASE("put a long message", empty_long, recover_and_look, check_put, put_0),
    QUEUE_CASE("put when wrapped", wrapped_short, recover_and_look, check_put, put_0),
    QUEUE_CASE("put a long one when wrapped", wrapped_long, recover_and_look, check_put, put_0),
    QUEUE_CASE("put when full", full_short, recover_and_look, check_put, try_put_0),
    QUEUE_CASE("put a block", empty_long, recover_and_look, check_put, put_block_0),
    QUEUE_CASE("get", wrapped_short, recover_and_look, check, get_0),
    QUEUE_CASE("get a long message", wrapped_long, recover_and_look, check, get_0),
    QUEUE_CASE("get when full", full_long, recover_and_look, check, get_0),
    QUEUE_CASE("get when empty", empty_short, recover_and_look, check, try_get_0),
    QUEUE_CASE("get a block", wrapped_long, recover_and_look, check, get_block_0),
    QUEUE_CASE("peek", wrapped_long, recover_and_look, check_put, peek_0),
    QUEUE_CASE("get and do", lent_short, recover_and_look, check_lease, get_0),
    QUEUE_CASE("get and do a long message", lent_long, recover_and_look, check_lease, get_0),
    QUEUE_CASE("get what came back", came_back_short, recover_and_look, check_lease, get_0),
    QUEUE_CASE("get what came back, long", came_back_long, recover_and_look, check_lease, get_0),
    QUEUE_CASE("one puts, one gets", empty_short, recover, check, put_0, get_1),
    QUEUE_CASE("one puts a long message, one gets", empty_long, recover, check, put_0, get_1),
    QUEUE_CASE("one puts into a full queue, one gets", full_short, recover, check, put_0, get_1),
    QUEUE_CASE("one puts two, one gets two", empty_short, recover, check, put_two_0, get_two_1),
    QUEUE_CASE("two put, one gets", empty_short, recover, check, put_0, put_1, get_2),
    QUEUE_CASE("one puts, two get", empty_short, recover, check, put_0, get_1, get_2),
    QUEUE_CASE("two get long messages", full_long, recover, check, get_0, get_1),
    QUEUE_CASE("one shuts, one puts, one gets", empty_short, recover, check, put_and_shut_0,
               put_before_shut_1, get_2),
    QUEUE_CASE("one puts and shuts, two get", empty_short, recover, check, put_and_shut_0, get_1, get_2),
    QUEUE_CASE("one shuts, two get", empty_short, recover, check, shut_0, get_1, get_2),
    QUEUE_CASE("one shuts and empties it, one puts", empty_short, recover, check, shut_and_empty_0,
               put_before_shut_1),
    QUEUE_CASE("one peeks at a long message, one gets it", wrapped_long, recover, check, peek_0, get_1),
    QUEUE_CASE("one has no room for it, one gets it", wrapped_long, recover, check, get_nothing_0, get_1),
    QUEUE_CASE("one has no room for a lease, one gets it", lent_short, recover, check, get_nothing_0, get_1),
    QUEUE_CASE("one gets a long message, one shuts and gets", wrapped_long, recover, check, get_0, shut_1),
    QUEUE_CASE("two put at their priorities, one gets", full_levels, recover, check_levels, put_low_0,
               put_high_1, get_high_2),
    QUEUE_CASE("two get and do", lent_short, recover, check, get_0, get_1),
    QUEUE_CASE("one puts, two get and do", came_back_short, recover, check, put_0, get_1),
};

const struct death_cases queue_cases = { list, sizeof list / sizeof list[0] };
