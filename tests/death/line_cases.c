/* line_cases.c - Description: if one of these failed, a message in a pipe could be lost, torn, or
 * received twice, or a process wait for ever at a pipe whose other end is closed or dead, or be
 * told so too early.
 *
 * src/channel/line.c and end.c over ring.c, handover.c, the allocator and the roster. A message
 * says who sent it, in each of its bytes. Afterwards the root receives what is left, and takes the
 * line apart. */
#include "cases.h"

#include <channel/line.h>
#include <memory/alloc.h>

#include <errno.h>
#include <string.h>

#define SPACE (8 * ARENA_PAGE)
#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))
#define REPAIRER(n) ((5u + (n)) << SEAT_BITS | 9u) /* each is killed, and the next one comes */
#define BEFORE 4 /* the value of what was sent beforehand; processes send their number + 1 */
#define VALUES 6
#define SHORT 16
#define LONG 40
#define SLOTS 2
#define PLACES 4
#define ROOMY 20000 /* bytes of each block: three to a page */

enum { SENDERS, RECEIVERS };

struct notes {
    uint32_t party[DEATH_PROCESSES], root;
    uint32_t role[DEATH_PROCESSES + 1];     /* last: the root                         */
    _Atomic uint32_t closed[DEATH_PROCESSES]; /* it has closed, or is about to        */
    _Atomic uint32_t sent[VALUES], got[VALUES];
    _Atomic uint32_t told[DEATH_PROCESSES]; /* that the other end is over, and how    */
    _Atomic uint32_t deaths[DEATH_PROCESSES + 1], looks;
    _Atomic uint32_t torn;
    uint32_t repairs, repairer, size;
    uint64_t line; /* a block of the root's, as an offset */
};

struct memory {
    char arena[SPACE];
    struct roster_shm roster;
    _Alignas(CACHE_LINE) char end[2][2 * CACHE_LINE];
    struct notes notes;
};

static struct arena arena;

static struct memory *here(void)
{
    return (struct memory *)(void *)death_arena;
}

static struct end_shm *end_at(unsigned side)
{
    return (struct end_shm *)(void *)here()->end[side];
}

static struct line_shm *line_here(void)
{
    return (struct line_shm *)(void *)(death_arena + here()->notes.line);
}

/* As 'p' is at it, for one who sends or receives. */
static struct line line_of(unsigned p, unsigned role)
{
    return (struct line){ .shm = line_here(),
                          .other = end_at(1 - role),
                          .deaths = &here()->notes.deaths[p],
                          .looks = &here()->notes.looks };
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

/* -- what is there before -------------------------------------------------------------------- */

static int send_value(unsigned p, uint32_t me, unsigned value, crew_time deadline)
{
    struct line line = line_of(p, SENDERS);
    unsigned char bytes[LONG];
    int r;

    memset(bytes, (int)value, sizeof bytes);
    r = line_send(&line, me, bytes, here()->notes.size, NULL, NULL, deadline);
    if (r == 0)
        atomic_fetch_add(&here()->notes.sent[value], 1);
    return r;
}

static int recv_value(unsigned p, uint32_t me, unsigned *value, crew_time deadline)
{
    struct line line = line_of(p, RECEIVERS);
    struct line_message m;
    unsigned char bytes[LONG];
    int r = line_hold(&line, me, &m, deadline);

    if (r < 0)
        return r;
    if (m.size != here()->notes.size) {
        atomic_fetch_add(&here()->notes.torn, 1);
        return 0;
    }
    r = line_fetch(line.shm, me, &m, bytes);
    for (size_t i = 1; i < m.size; i++)
        if (bytes[i] != bytes[0])
            atomic_fetch_add(&here()->notes.torn, 1);
    *value = bytes[0] < VALUES ? bytes[0] : 0;
    return r;
}

static void bind(unsigned p, uint32_t id, unsigned role)
{
    here()->notes.role[p] = role;
    if (end_bind(end_at(role), id) != END_OPEN)
        death_misuse("the end");
}

/* Who sends: bits of the processes, and of the root; the others receive. */
static void make(size_t size, unsigned senders, unsigned laps, unsigned full)
{
    struct memory *m = here();
    unsigned value;
    void *line;

    arena_init(&arena, death_arena, SPACE);
    roster_use(&arena, &m->roster);
    handover_use(get_memory, free_memory);
    if (roster_sit(ROOT, 1, "root") < 0)
        death_misuse("the roster");
    m->notes.root = party_claim(ROOT);
    m->notes.size = (uint32_t)size;
    memset(m->end, 0x5a, sizeof m->end);
    end_init(end_at(SENDERS), PLACES);
    end_init(end_at(RECEIVERS), PLACES);
    if (get_memory(m->notes.root, line_size(SLOTS, SHORT), &line) < 0)
        death_misuse("the arena");
    memset(line, 0x5a, line_size(SLOTS, SHORT));
    m->notes.line = (uint64_t)((char *)line - death_arena);
    line_init(line_here(), SLOTS, SHORT);
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        void *block;

        if (roster_sit(PROCESS(p), (int)(100 + p), "process") < 0)
            death_misuse("the roster");
        m->notes.party[p] = party_claim(PROCESS(p));
        if (get_memory(m->notes.party[p], LONG, &block) < 0) /* it has a page of its own already */
            death_misuse("the arena");
        free_memory(m->notes.party[p], block);
    }
    for (unsigned i = 0; i < laps; i++)
        if (send_value(3, m->notes.root, BEFORE, CREW_NOW) < 0 ||
            recv_value(3, m->notes.root, &value, CREW_NOW) < 0)
            death_misuse("the line");
    memset(&m->notes.sent, 0, sizeof m->notes.sent);
    for (unsigned i = 0; i < full; i++)
        if (send_value(3, m->notes.root, BEFORE + i, CREW_NOW) < 0)
            death_misuse("the line");
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        m->notes.role[p] = senders & 1u << p ? SENDERS : RECEIVERS;
    m->notes.role[3] = senders & 8 ? SENDERS : RECEIVERS;
}

/* One sends to the root, or receives from it. */
static void sends(size_t size, unsigned laps, unsigned full)
{
    make(size, 1, laps, full);
    bind(0, PROCESS(0), SENDERS);
    bind(3, ROOT, RECEIVERS);
}

static void receives(size_t size, unsigned laps, unsigned full)
{
    make(size, 8, laps, full);
    bind(0, PROCESS(0), RECEIVERS);
    bind(3, ROOT, SENDERS);
}

/* Process 0 sends to process 1. */
static void two(size_t size, unsigned laps, unsigned full)
{
    make(size, 1, laps, full);
    bind(0, PROCESS(0), SENDERS);
    bind(1, PROCESS(1), RECEIVERS);
}

/* So does process 2. */
static void two_to_one(void)
{
    make(SHORT, 5, 0, 0);
    bind(0, PROCESS(0), SENDERS);
    bind(1, PROCESS(1), RECEIVERS);
    bind(2, PROCESS(2), SENDERS);
}

/* Process 0 sends to two. */
static void one_to_two(void)
{
    make(SHORT, 1, 0, 0);
    bind(0, PROCESS(0), SENDERS);
    bind(1, PROCESS(1), RECEIVERS);
    bind(2, PROCESS(2), RECEIVERS);
}

static void send_short(void) { sends(SHORT, 0, 0); }
static void send_wrapped(void) { sends(SHORT, 3, 1); }
static void send_long_wrapped(void) { sends(LONG, 3, 1); }
static void send_full(void) { sends(SHORT, 1, SLOTS); }
static void receive_short(void) { receives(SHORT, 3, 1); }
static void receive_long(void) { receives(LONG, 3, 1); }
static void two_short(void) { two(SHORT, 0, 0); }
static void two_long(void) { two(LONG, 1, 0); }
static void two_full(void) { two(SHORT, 1, SLOTS); }

/* -- what they do ------------------------------------------------------------------------- */

static int over(unsigned p, int r)
{
    if (r != CREW_ECLOSED && r != CREW_EPEERDIED)
        return r;
    store_total(&here()->notes.told[p], r == CREW_ECLOSED ? END_CLOSED : END_DIED);
    return 0;
}

static int send_one(unsigned p, crew_time deadline)
{
    int r = send_value(p, here()->notes.party[p], p + 1, deadline);

    return r == -EAGAIN ? 0 : over(p, r);
}

static int receive(unsigned p)
{
    unsigned value = 0;
    int r = recv_value(p, here()->notes.party[p], &value, CREW_FOREVER);

    if (r == 0)
        atomic_fetch_add(&here()->notes.got[value], 1);
    return over(p, r);
}

static int receive_all(unsigned p)
{
    int r;

    do
        r = receive(p);
    while (r == 0 && load_relaxed(&here()->notes.told[p]) == 0);
    return r;
}

/* As pipe_close(). */
static int leave(unsigned p)
{
    struct end_shm *end = end_at(here()->notes.role[p]);

    store_total(&here()->notes.closed[p], 1);
    end_leave(end, PROCESS(p));
    end_look(end);
    line_stir(line_here());
    return 0;
}

static int send_0(void) { return send_one(0, CREW_FOREVER); }
static int send_2(void) { return send_one(2, CREW_FOREVER); }
static int try_send_0(void) { return send_one(0, CREW_NOW); }
static int receive_0(void) { return receive(0); }
static int receive_1(void) { return receive(1); }
static int leave_1(void) { return leave(1); }
static int receive_all_1(void) { return receive_all(1); }
static int receive_all_2(void) { return receive_all(2); }

static int send_and_leave_0(void)
{
    int r = send_0();

    return r < 0 ? r : leave(0);
}

static int receive_block_0(void)
{
    struct line line = line_of(0, RECEIVERS);
    uint32_t me = here()->notes.party[0];
    struct line_message m;
    const unsigned char *bytes;
    void *block;
    int r = line_hold(&line, me, &m, CREW_FOREVER);

    if (r == 0)
        r = line_fetch_block(line.shm, me, &m, &block);
    if (r < 0)
        return r;
    bytes = block;
    for (size_t i = 1; i < m.size; i++)
        if (bytes[i] != bytes[0])
            atomic_fetch_add(&here()->notes.torn, 1);
    atomic_fetch_add(&here()->notes.got[bytes[0] % VALUES], 1);
    free_memory(me, block);
    return 0;
}

/* It does not fit, say. */
static int put_back_0(void)
{
    struct line line = line_of(0, RECEIVERS);
    struct line_message m;
    int r = line_hold(&line, here()->notes.party[0], &m, CREW_FOREVER);

    if (r == 0)
        line_put_back(line.shm, &m);
    return r;
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

/* A process comes and looks, and repairs. Called again: it was killed at that, too. */
static void recover_and_look(unsigned dead)
{
    struct notes *n = &here()->notes;
    struct line line = line_of(3, RECEIVERS);
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
    line_is_ready(&line, n->repairer, &word);
}

/* How the users of an end are. */
static int truth(const struct death_end *ends, unsigned role)
{
    const struct notes *n = &here()->notes;
    bool died = false;

    if (n->role[3] == role && !end_is_unused(end_at(role)) && end_look(end_at(role)) == END_OPEN &&
        (role == SENDERS ? n->role[0] != SENDERS
                         : n->role[0] == SENDERS && n->role[1] != RECEIVERS))
        return END_OPEN;
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (n->role[p] != role || ends[p].how == DEATH_ABSENT)
            continue;
        if (ends[p].how == DEATH_KILLED)
            died = true; /* also in the middle of closing: that is one or the other */
        else if (!load_acquire(&n->closed[p]))
            return END_OPEN;
    }
    return died ? END_DIED : END_CLOSED;
}

static const char *judge_ends(const struct death_end *ends, unsigned left)
{
    const struct notes *n = &here()->notes;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        int other = truth(ends, 1 - n->role[p]);
        uint32_t told = load_acquire(&n->told[p]);

        if (ends[p].how == DEATH_ABSENT)
            continue;
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0)
            return "broken: a call failed";
        if (ends[p].how == DEATH_BLOCKED && other != END_OPEN)
            return "hang: the other end is over, and somebody sleeps";
        if (ends[p].how == DEATH_BLOCKED && (n->role[p] == RECEIVERS ? left > 0 : left < SLOTS))
            return "hang: there is a message, or room, and somebody sleeps";
        if (told != 0 && other == END_OPEN)
            return "lost: the other end is said to be over, and is not";
        if (told == END_DIED && other == END_CLOSED)
            return "broken: who closed is said to have died";
    }
    return NULL;
}

static const char *take_apart(void)
{
    struct crew_memory_stats stats;
    const char *wrong = line_check(line_here());

    if (!wrong)
        wrong = end_check(end_at(SENDERS));
    if (!wrong)
        wrong = end_check(end_at(RECEIVERS));
    if (wrong)
        return wrong;
    line_fini(line_here(), here()->notes.root);
    free_memory(here()->notes.root, line_here());
    wrong = alloc_check(&arena, &stats);
    if (!wrong)
        wrong = roster_check();
    return wrong ? wrong : stats.blocks > 0 ? "memory is left" : NULL;
}

static const char *check(const struct death_end *ends)
{
    struct notes *n = &here()->notes;
    unsigned found[VALUES] = { 0 }, value = 0, left = 0;
    bool receiver_died = false, told = false;
    const char *wrong;
    int r;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        receiver_died |= ends[p].how == DEATH_KILLED && n->role[p] == RECEIVERS;
        told |= n->role[p] == RECEIVERS && load_acquire(&n->told[p]) != 0;
    }
    while ((r = recv_value(3, n->root, &value, CREW_NOW)) == 0) {
        found[value]++;
        left++;
    }
    if (load_acquire(&n->torn))
        return "broken: a message is torn";
    if (r != -EAGAIN && r != CREW_ECLOSED && r != CREW_EPEERDIED)
        return "an empty line says something else";
    wrong = judge_ends(ends, left);
    if (wrong)
        return wrong;
    if (told && left > 0)
        return "lost: it came after who waited was told that nothing would";
    for (unsigned v = 1; v < VALUES; v++) {
        unsigned seen = found[v] + load_acquire(&n->got[v]);

        if (seen > 1)
            return "twice: a message";
        if (seen == 0 && load_acquire(&n->sent[v]) && !receiver_died)
            return "lost: a message";
    }
    if (r == -EAGAIN && end_look(end_at(RECEIVERS)) == END_OPEN) { /* it still works */
        for (unsigned i = 0; i < SLOTS; i++)
            if (send_value(3, n->root, 1, CREW_NOW) != 0)
                return "hang: there is no room in an empty line";
        if (send_value(3, n->root, 1, CREW_NOW) != -EAGAIN)
            return "a full line takes one more";
        for (unsigned i = 0; i < SLOTS; i++)
            if (recv_value(3, n->root, &value, CREW_NOW) != 0 || value != 1)
                return "lost: what was sent afterwards";
    }
    return take_apart();
}

#define CASE_OF(what, before, repair, most, ...)                                                 \
    { .name = "line: " what, .size = sizeof(struct memory), .setup = before, .recover = repair,  \
      .check = check, .events = most, .operation = { __VA_ARGS__ } }
#define LINE_CASE(what, before, repair, ...) CASE_OF(what, before, repair, 0, __VA_ARGS__)
#define THREE_CASE(what, before, ...) CASE_OF(what, before, recover, 2, __VA_ARGS__)

static const struct death_case list[] = {
    LINE_CASE("send", send_short, recover_and_look, send_0),
    LINE_CASE("send when wrapped", send_wrapped, recover_and_look, send_0),
    LINE_CASE("send a long one when wrapped", send_long_wrapped, recover_and_look, send_0),
    LINE_CASE("send when full", send_full, recover_and_look, try_send_0),
    LINE_CASE("send and close", send_short, recover_and_look, send_and_leave_0),
    LINE_CASE("receive", receive_short, recover_and_look, receive_0),
    LINE_CASE("receive a long message", receive_long, recover_and_look, receive_0),
    LINE_CASE("receive a block", receive_long, recover_and_look, receive_block_0),
    LINE_CASE("put back", receive_short, recover_and_look, put_back_0),
    LINE_CASE("one sends, one receives", two_short, recover, send_0, receive_1),
    LINE_CASE("one sends a long message, one receives", two_long, recover, send_0, receive_1),
    LINE_CASE("full: one sends, one receives", two_full, recover, send_0, receive_1),
    LINE_CASE("one sends and closes, one receives all", two_short, recover, send_and_leave_0,
              receive_all_1),
    LINE_CASE("full: one sends, one closes", two_full, recover, send_0, leave_1),
    THREE_CASE("two send, one receives", two_to_one, send_0, receive_1, send_2),
    THREE_CASE("one sends and closes, two receive all", one_to_two, send_and_leave_0, receive_all_1,
               receive_all_2),
};

const struct death_cases line_cases = { list, sizeof list / sizeof list[0] };
