/* pipe.c - crew/pipe.h: two ends (end.c), a line for each direction (line.c), and a socketpair.
 *
 * Descriptors go through a socketpair, in packets, each with its number, the ticket:
 *
 *     sender     locks 'gives'; claims a slot; next ticket; sends the packet; notes ticket and
 *                number of descriptors at the slot; publishes; unlocks
 *     receiver   holds the message, sees the note: puts it back, locks 'takes', holds it again;
 *                takes it; receives packets up to that ticket; unlocks
 *
 * So packets and messages have the same order, and who has taken a message finds its packet,
 * perhaps behind some that nobody wants: of a sender that died before it had published, of a
 * receiver that died when it had taken the message. Those are dropped.
 *
 * The process dies ...               others see              what helps
 *   sending or receiving             as in line.c            as there
 *   holding 'gives' or 'takes'       a lock of the dead      the next gets it: nothing is to mend
 *   the packet is sent, no message   a packet too many       dropped by the next that receives one
 *   message taken, packet not        the same                the same
 *   closing its end                  as in end.c             as there
 *
 * The record stands in a block of the process that opened the pipe: it goes when that dies; and
 * when that has closed both ends, and no process lives that it started meanwhile, for each of those
 * has a copy of the handles. Until then it waits in 'closed'. */
#include "connection.h"
#include "line.h"
#include "turn.h"

#include <crew/memory.h>
#include <crew/pipe.h>
#include <life/life.h>
#include <life/waitable.h>
#include <sync/storage.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define PIPE_MAGIC UINT32_C(0x70697065)
#define ROOM 120 /* bytes of a message that lie in the ring: a slot takes two lines */
#define CAPACITY 64
#define CAPACITY_MOST 65536
#define USERS_MOST 4096
#define TICKET_SHIFT 8 /* of a note: ticket:56 descriptors:8 */

struct pipe_shm {
    uint32_t magic;
    uint32_t one_way;
    uint64_t end[2];  /* where they stand, from the record on; never change    */
    uint64_t line[2]; /* the same; from the end of this number to the other one */
};

/* What both ends have in common, in this process. */
struct pipe {
    struct pipe_shm *shm;
    pid_t opener;
    unsigned handles;
    uint64_t opened, closed; /* members that had been started then */
    struct pipe *next;       /* of those that wait                 */
};

struct pipe_end {
    struct crew_connection connection;
    struct pipe *pipe;
    unsigned side;
    int fd;
    _Atomic uint32_t user;   /* the process that this handle made a user   */
    _Atomic uint32_t naming; /* whose turn it is to do that                */
    _Atomic uint32_t deaths; /* there were when the other end was looked at */
    _Atomic uint32_t looks[2]; /* at a line that has nothing: out, in      */
    _Atomic uint32_t settling;
    _Atomic pid_t asker;     /* for whom these are: who waits elsewhere    */
    int listener, bell;      /* -1: nobody asked                           */
    bool rung;
};

static struct pipe_end *of(crew_connection *c)
{
    return (struct pipe_end *)(void *)c;
}

static struct end_shm *end_of(const struct pipe_end *e, unsigned side)
{
    return (struct end_shm *)(void *)((char *)e->pipe->shm + e->pipe->shm->end[side]);
}

static struct line_shm *line_of(const struct pipe *p, unsigned side)
{
    return (struct line_shm *)(void *)((char *)p->shm + p->shm->line[side]);
}

static bool is_abandoned(void *context)
{
    const struct pipe_end *e = context;

    return os_socket_is_abandoned(e->fd);
}

/* The line out of this end, or into it. */
static struct line line_at(struct pipe_end *e, bool in)
{
    return (struct line){
        .shm = line_of(e->pipe, in ? 1 - e->side : e->side),
        .other = end_of(e, 1 - e->side),
        .deaths = &e->deaths,
        .looks = &e->looks[in],
        .is_abandoned = is_abandoned,
        .context = e,
    };
}

static bool only_sends(const struct pipe_end *e)
{
    return e->pipe->shm->one_way && e->side == 1;
}

static bool only_receives(const struct pipe_end *e)
{
    return e->pipe->shm->one_way && e->side == 0;
}

static int told(int over)
{
    return over == END_OPEN ? 0 : over == END_CLOSED ? CREW_ECLOSED : CREW_EPEERDIED;
}

/* The calling process becomes a user of this end, if it is none. */
static int become_user(struct pipe_end *e)
{
    int r = 0;

    turn_take(&e->naming, CREW_FOREVER);
    if (load_relaxed(&e->user) != life_me()) {
        r = end_bind(end_of(e, e->side), life_me());
        if (r == END_OPEN)
            store_release(&e->user, life_me());
    }
    turn_pass(&e->naming);
    return r > 0 ? told(r) : r;
}

static int use(struct pipe_end *e, uint32_t *me)
{
    int r = storage_party(me);

    if (r < 0 || __builtin_expect(load_acquire(&e->user) == life_me(), 1))
        return r;
    return become_user(e);
}

/* -- descriptors along ------------------------------------------------------------------------- */

/* Gets one of the two locks; what the dead left of them needs no mending. */
static int lock_way(struct lock_shm *lock, uint32_t me, crew_time deadline)
{
    int r = lock_acquire(lock, me, deadline);

    return r == CREW_EOWNERDEAD ? lock_consistent(lock, me) : r;
}

/* Receives the packet of a message; its descriptors go to 'fds'. */
static int fetch_packet(struct pipe_end *e, uint64_t ticket, int fds[CREW_DESCRIPTORS_MOST],
                        unsigned *count)
{
    for (;;) {
        uint64_t found = 0;
        ssize_t r;

        *count = 0;
        r = os_socket_recv(e->fd, &found, sizeof found, fds, CREW_DESCRIPTORS_MOST, count);
        if (r == sizeof found && found == ticket)
            return 0;
        for (unsigned i = 0; i < *count; i++)
            os_close(fds[i]);
        *count = 0;
        if (r < 0)
            return r == -EMSGSIZE ? -EMFILE : (int)r; /* they came, and found no place here */
        if (r == 0 || found > ticket)
            return -EPROTO;
    }
}

/* What is to go along. */
struct gift {
    struct pipe_end *e;
    struct line_shm *line;
    const int *fds;
    unsigned count;
};

/* Called when the slot is ours. */
static int give(void *context, uint64_t *note)
{
    struct gift *g = context;
    uint64_t ticket = load_relaxed(&g->line->tickets) + 1;
    const struct os_bytes packet = { &ticket, sizeof ticket };
    ssize_t r;

    store_relaxed(&g->line->tickets, ticket);
    r = os_socket_send(g->e->fd, &packet, 1, g->fds, g->count);
    if (r < 0)
        return r == -EAGAIN ? -ENOBUFS : r == -EPIPE || r == -ECONNRESET ? CREW_EPEERDIED : (int)r;
    *note = ticket << TICKET_SHIFT | g->count;
    return 0;
}

static int send_with_descriptors(struct pipe_end *e, const struct line *line, uint32_t me,
                                 const struct sending *m, crew_time deadline)
{
    struct gift gift = { .e = e, .line = line->shm, .fds = m->fds, .count = m->count };
    int r = lock_way(&line->shm->gives, me, deadline);

    if (r < 0)
        return r;
    r = line_send(line, me, m->bytes, m->size, give, &gift, deadline);
    lock_release(&line->shm->gives, me);
    return r;
}

static int pipe_send(crew_connection *c, const struct sending *m, crew_time deadline)
{
    struct pipe_end *e = of(c);
    struct line line;
    uint32_t me;
    int r = only_receives(e) ? -EPERM : use(e, &me);

    if (r < 0)
        return r;
    line = line_at(e, false);
    if (m->count > 0)
        return send_with_descriptors(e, &line, me, m, deadline);
    return line_send(&line, me, m->bytes, m->size, NULL, NULL, deadline);
}

/* -- receiving --------------------------------------------------------------------------------- */

static bool fits(const struct receiving *m)
{
    return (m->block || m->size <= m->capacity) && (!m->fds || m->count <= m->most);
}

/* The message is ours: bytes first. */
static int fetch(const struct line *line, uint32_t me, const struct line_message *held,
                 struct receiving *m)
{
    int r;

    m->size = held->size;
    m->count = held->note & ((1u << TICKET_SHIFT) - 1);
    r = fits(m) ? 0 : -EMSGSIZE;
    if (r == 0)
        r = m->block ? line_fetch_block(line->shm, me, held, &m->message)
                     : line_fetch(line->shm, me, held, m->buf);
    if (r < 0)
        line_put_back(line->shm, held);
    return r;
}

/* Descriptors came along; 'takes' is ours. */
static int fetch_descriptors(struct pipe_end *e, uint64_t note, struct receiving *m)
{
    int fds[CREW_DESCRIPTORS_MOST];
    unsigned count;
    int r = fetch_packet(e, note >> TICKET_SHIFT, fds, &count);

    m->count = count;
    if (r == 0 && m->fds && count <= m->most) {
        memcpy(m->fds, fds, count * sizeof fds[0]);
        return 0;
    }
    for (unsigned i = 0; i < count; i++)
        os_close(fds[i]);
    return r;
}

static int recv_with_descriptors(struct pipe_end *e, const struct line *line, uint32_t me,
                                 struct receiving *m, crew_time deadline)
{
    struct line_message held;
    int r = lock_way(&line->shm->takes, me, deadline);

    if (r < 0)
        return r;
    r = line_hold(line, me, &held, deadline);
    if (r == 0)
        r = fetch(line, me, &held, m);
    if (r == 0 && held.note != 0)
        r = fetch_descriptors(e, held.note, m);
    lock_release(&line->shm->takes, me);
    return r;
}

static void settle(struct pipe_end *e, uint32_t me);

static int pipe_recv(crew_connection *c, struct receiving *m, crew_time deadline)
{
    struct pipe_end *e = of(c);
    struct line_message held;
    struct line line;
    uint32_t me;
    int r = only_sends(e) ? -EPERM : use(e, &me);

    if (r < 0)
        return r;
    line = line_at(e, true);
    r = line_hold(&line, me, &held, deadline);
    if (r == 0 && __builtin_expect(held.note != 0, 0)) {
        line_put_back(line.shm, &held);
        r = recv_with_descriptors(e, &line, me, m, deadline);
    } else if (r == 0) {
        r = fetch(&line, me, &held, m);
    }
    if (__builtin_expect(load_relaxed(&e->asker) != 0, 0))
        settle(e, me);
    return r;
}

static int pipe_poll(crew_connection *c, crew_time deadline)
{
    struct pipe_end *e = of(c);
    struct line line;
    uint32_t me;
    int r = only_sends(e) ? -EPERM : use(e, &me);

    if (r < 0)
        return r;
    line = line_at(e, true);
    r = line_await(&line, me, deadline);
    if (load_relaxed(&e->asker) != 0)
        settle(e, me);
    return r;
}

/* -- waiting elsewhere ------------------------------------------------------------------------- */

/* The crew's bell tells that something may have changed (life/waitable.h); one of our own, that
 * there is something still. */
static void settle(struct pipe_end *e, uint32_t me)
{
    struct line line = line_at(e, true);
    struct os_word word;
    bool there;

    if (load_relaxed(&e->asker) != os_pid())
        return;
    turn_take(&e->settling, CREW_FOREVER);
    roster_hear(e->listener);
    there = line_is_ready(&line, me, &word);
    if (there && !e->rung)
        os_bell_ring(e->bell);
    else if (!there && e->rung)
        os_bell_drain(e->bell);
    e->rung = there;
    turn_pass(&e->settling);
}

static int ask(struct pipe_end *e)
{
    int bell = os_bell_create(), listener, r;

    if (bell < 0)
        return bell;
    listener = roster_listen();
    r = listener < 0 ? listener : os_listener_add(listener, bell, POLLIN);
    if (r < 0) {
        if (listener >= 0)
            os_close(listener);
        os_close(bell);
        return r;
    }
    e->listener = listener;
    e->bell = bell;
    e->rung = false;
    store_relaxed(&e->asker, os_pid());
    return 0;
}

static void stop_asking(struct pipe_end *e)
{
    if (e->listener < 0)
        return;
    os_close(e->listener); /* a child's are copies of its parent's */
    os_close(e->bell);
    e->listener = e->bell = -1;
    store_relaxed(&e->asker, 0);
}

static int pipe_descriptor(crew_connection *c)
{
    struct pipe_end *e = of(c);
    uint32_t me;
    int r = only_sends(e) ? -EPERM : use(e, &me);

    if (r < 0)
        return r;
    turn_take(&e->settling, CREW_FOREVER);
    if (load_relaxed(&e->asker) != os_pid()) {
        stop_asking(e);
        r = ask(e);
    }
    turn_pass(&e->settling);
    if (r < 0)
        return r;
    settle(e, me);
    return e->listener;
}

static void wait_check(void *object)
{
    if (of(object)->connection.magic != CONNECTION_MAGIC)
        os_misuse("crew_wait_connection", "not an open connection");
}

static int wait_ready(void *object, struct os_word *word)
{
    struct pipe_end *e = of(object);
    struct line line;
    uint32_t me;
    int r = only_sends(e) ? -EPERM : use(e, &me);

    if (r == CREW_ECLOSED || r == CREW_EPEERDIED)
        return 1;
    if (r < 0)
        return r;
    line = line_at(e, true);
    return line_is_ready(&line, me, word);
}

static struct crew_wait pipe_wait(crew_connection *c)
{
    static const struct crew_waitable kind = { .check = wait_check, .ready = wait_ready };

    return (struct crew_wait){ .kind = &kind, .object = c };
}

/* -- opening and closing ----------------------------------------------------------------------- */

/* Pipes whose ends are closed here, while processes may live that have copies. */
static struct {
    _Atomic uint32_t turn;
    pid_t pid; /* whose they are */
    struct pipe *first;
} closed;

static void drop(struct pipe *p)
{
    uint32_t me;

    if (storage_party(&me) == 0)
        for (unsigned i = 0; i < 2; i++)
            line_fini(line_of(p, i), me);
    p->shm->magic = 0;
    life_free(p->shm);
    life_release();
    free(p);
}

/* Drops those that nobody can have a copy of any more. */
static void look_at_closed(void)
{
    struct pipe **at = &closed.first;

    turn_take(&closed.turn, CREW_FOREVER);
    while (closed.pid == os_pid() && *at) {
        struct pipe *p = *at;

        if (life_has_member(p->opened, p->closed)) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        drop(p);
    }
    turn_pass(&closed.turn);
}

/* The last handle of this process is closed. */
static void close_pipe(struct pipe *p)
{
    if (p->opener != os_pid()) {
        free(p);
        return;
    }
    p->closed = life_starts();
    turn_take(&closed.turn, CREW_FOREVER);
    if (closed.pid != os_pid())
        closed.first = NULL; /* a parent's */
    closed.pid = os_pid();
    p->next = closed.first;
    closed.first = p;
    turn_pass(&closed.turn);
    life_after_close(look_at_closed);
    look_at_closed();
}

/* Nobody else can have used this end: it is of who opened it, which has started no process since.
 * */
static bool is_ours_alone(const struct pipe_end *e)
{
    return e->pipe->opener == os_pid() && life_starts() == e->pipe->opened &&
           end_is_unused(end_of(e, e->side));
}

static void pipe_close(crew_connection *c)
{
    struct pipe_end *e = of(c);
    struct pipe *p = e->pipe;
    uint32_t id = life_me();

    stop_asking(e);
    if (id != 0) {
        struct end_shm *end = end_of(e, e->side);

        if (is_ours_alone(e))
            (void)end_bind(end, id);
        end_leave(end, id);
        end_look(end);
    }
    os_close(e->fd);
    for (unsigned i = 0; i < 2 && id != 0; i++)
        line_stir(line_of(p, i)); /* who waits looks again, also for the last descriptor */
    free(e);
    if (--p->handles == 0)
        close_pipe(p);
}

static int pipe_bind(crew_connection *c, pid_t pid)
{
    struct pipe_end *e = of(c);
    uint32_t me, id;
    int r;

    if (life_me() == 0)
        return CREW_EMISUSE;
    if (pid == 0 || pid == os_pid())
        return use(e, &me);
    if ((life_me() & (SEATS - 1)) != 1)
        return -EPERM;
    id = process_was(pid); /* also if it is dead already: then the end is told so */
    if (id == 0)
        return -ESRCH;
    r = end_bind(end_of(e, e->side), id);
    return r > 0 ? told(r) : r;
}

static const struct connection_kind pipe_kind = {
    .bind = pipe_bind,
    .send = pipe_send,
    .recv = pipe_recv,
    .poll = pipe_poll,
    .descriptor = pipe_descriptor,
    .wait = pipe_wait,
    .close = pipe_close,
};

static size_t aligned(size_t size)
{
    return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* Makes the record; on success it is the calling process's. */
static int make_record(struct pipe_shm **record, const struct crew_pipe_options *o)
{
    uint32_t users = o->users ? o->users : END_PLACES,
             capacity = o->capacity ? o->capacity : CAPACITY;
    size_t ends = aligned(sizeof(struct pipe_shm)), lines = ends + 2 * end_size(users);
    size_t line = line_size(capacity, ROOM);
    struct pipe_shm *shm;
    void *block;
    int r = life_alloc(lines + 2 * line, &block);

    if (r < 0)
        return r;
    shm = memset(block, 0, ends);
    shm->one_way = o->one_way;
    for (unsigned i = 0; i < 2; i++) {
        shm->end[i] = ends + i * end_size(users);
        shm->line[i] = lines + i * line;
        end_init((struct end_shm *)(void *)((char *)block + shm->end[i]), users);
        line_init((struct line_shm *)(void *)((char *)block + shm->line[i]), capacity, ROOM);
    }
    shm->magic = PIPE_MAGIC;
    *record = shm;
    return 0;
}

static void make_end(struct pipe_end *e, struct pipe *p, unsigned side, int fd)
{
    e->connection = (struct crew_connection){ CONNECTION_MAGIC, &pipe_kind };
    e->pipe = p;
    e->side = side;
    e->fd = fd;
    e->looks[0] = e->looks[1] = LINE_LOOKS;
    e->listener = e->bell = -1;
}

int crew_pipe_open(crew_connection **a, crew_connection **b,
                   const struct crew_pipe_options *options)
{
    static const struct crew_pipe_options none;
    struct pipe_end *ends[2] = { calloc(1, sizeof **ends), calloc(1, sizeof **ends) };
    struct pipe *p = calloc(1, sizeof *p);
    int fds[2] = { -1, -1 };
    int r = ends[0] && ends[1] && p ? 0 : -ENOMEM;

    options = options ? options : &none;
    for (unsigned i = 0; i < 4; i++)
        if (options->reserved[i] != 0)
            r = -EINVAL;
    if (options->users > USERS_MOST || options->capacity > CAPACITY_MOST)
        r = -EINVAL;
    if (r == 0)
        r = os_socket_pair(fds);
    if (r == 0)
        r = make_record(&p->shm, options);
    if (r < 0) {
        for (unsigned i = 0; i < 2; i++) {
            if (fds[i] >= 0)
                os_close(fds[i]);
            free(ends[i]);
        }
        free(p);
        return r;
    }
    life_hold();
    p->opener = os_pid();
    p->handles = 2;
    p->opened = life_starts();
    for (unsigned i = 0; i < 2; i++)
        make_end(ends[i], p, i, fds[i]);
    *a = &ends[0]->connection;
    *b = &ends[1]->connection;
    return 0;
}
