/* storm_channel.c - queues and pipes in the storm of storm_nouns.c. */
#include "storm_nouns.h"

/* -- queue -------------------------------------------------------------------------------- */

#define NUMBERS (UINT64_C(1) << 20)
#define LONGEST 3000
#define CAPACITY 4 /* of a queue */
#define ROOM 8     /* of a pipe: a message for each that may wait, at least */

/* Messages have numbers. Who put one says so, who got one, too. Of a round. */
struct post {
    _Atomic uint64_t next;
    _Atomic uint64_t twice;
    _Atomic uint64_t put[NUMBERS / 64], got[NUMBERS / 64];
};

static struct post *post; /* [0] of a queue with leases, [1] of one without */
static crew_queue *queue[2];
static uint64_t died_before;
static bool stranded; /* somebody slept while there was room */

static bool set(_Atomic uint64_t *map, uint64_t number)
{
    uint64_t bit = UINT64_C(1) << number % 64;

    return (atomic_fetch_or(&map[number / 64], bit) & bit) != 0;
}

static int make_queues(void)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < 2; i++)
        r = crew_queue_open(&queue[i],
                            &(struct crew_queue_options){ .capacity = CAPACITY, .lease = i == 0 });
    died_before = storm->died;
    return r;
}

static int queue_open(void)
{
    int r = storm_block(&post, 2 * sizeof *post);

    return r < 0 ? r : make_queues();
}

static void queue_close(void)
{
    crew_queue_close(queue[0]);
    crew_queue_close(queue[1]);
    crew_memory_free(post);
}

/* A message says its number in each of its words. */
static size_t fill(uint64_t *message, uint64_t number)
{
    size_t words = roll() % 4 ? 1 + roll() % 7 : 1 + roll() % (LONGEST / sizeof *message);

    for (size_t i = 0; i < words; i++)
        message[i] = number + i;
    return words * sizeof *message;
}

static bool is_whole(const uint64_t *message, size_t size)
{
    for (size_t i = 0; i < size / sizeof *message; i++)
        if (message[i] != message[0] + i)
            return false;
    return size >= sizeof *message && size % sizeof *message == 0 && message[0] < NUMBERS;
}

static int put(unsigned which, crew_time deadline)
{
    uint64_t number = atomic_fetch_add(&post[which].next, 1), message[LONGEST / 8];
    size_t size;
    void *block;
    int r;

    if (number >= NUMBERS)
        return CREW_ECLOSED;
    size = fill(message, number);
    if (roll() % 8 == 0) {
        r = crew_memory_alloc(&block, size);
        if (r < 0)
            return r;
        memcpy(block, message, size);
        r = crew_queue_put_block(queue[which], block, size, deadline);
        if (r < 0)
            crew_memory_free(block);
    } else {
        r = crew_queue_put(queue[which], message, size, deadline);
    }
    if (r == 0)
        set(post[which].put, number);
    return r;
}

static void take_note(unsigned which, const uint64_t *message, size_t size, bool again)
{
    if (!is_whole(message, size))
        storm_complain("queue %u: a message of %zu bytes is not as it was put", which, size);
    else if (set(post[which].got, message[0]) && !again)
        atomic_fetch_add(&post[which].twice, 1);
}

static int get(unsigned which, crew_time deadline)
{
    uint64_t message[LONGEST / 8];
    struct crew_lease lease;
    size_t size = 0;
    void *block;
    int r;

    if (which == 0) {
        r = crew_queue_get_lease(queue[0], message, sizeof message, &size, &lease, deadline);
        if (r < 0)
            return r;
        take_note(0, message, size, lease.attempt > 1);
        return crew_queue_task_done(queue[0], &lease);
    }
    if (roll() % 4 == 0) {
        r = crew_queue_get_block(queue[1], &block, &size, deadline);
        if (r < 0)
            return r;
        take_note(1, block, size, false);
        crew_memory_free(block);
        return 0;
    }
    r = crew_queue_get(queue[1], message, sizeof message, &size, deadline);
    if (r == 0)
        take_note(1, message, size, false);
    return r;
}

static void queue_work(unsigned me)
{
    unsigned which = roll() % 2;
    /* rarely for ever: or soon all wait for each other */
    crew_time deadline = roll() % 4 ? crew_in_ms(roll() % 2) : storm_deadline();
    uint64_t message[LONGEST / 8];
    size_t size;
    int r;

    switch (roll() % 32) {
    case 0:
        deadline = CREW_NOW;
        r = crew_queue_peek(queue[which], message, sizeof message, &size);
        if (r == 0 && !is_whole(message, size))
            storm_complain("queue %u: a message is not as it was put, at a peek", which);
        break;
    case 1:
        deadline = crew_in_ms(1);
        r = crew_queue_join(queue[which], deadline);
        break;
    case 2 ... 16:
        r = put(which, storm_waits(me, 1 + which, deadline));
        break;
    default:
        r = get(which, storm_waits(me, 3 + which, deadline));
    }
    storm_back(me);
    if (r < 0 && r != CREW_ECLOSED && !storm_in_vain(r, deadline))
        storm_complain("queue %u: %s", which, crew_strerror(r));
}

/* To get: while it is empty. To put: while it is full, which it may be with fewer messages: a
 * slot of one that died putting is free when those before it are got. */
static bool queue_may_wait(uint64_t what, bool asleep)
{
    unsigned which = (what - 1) % 2;
    size_t size = crew_queue_size(queue[which]);

    if (what > 2)
        return size == 0;
    if (asleep && size < CAPACITY)
        stranded |= put(which, CREW_NOW) != -EAGAIN;
    return !stranded && (asleep || size >= CAPACITY);
}

static void queue_finish(void)
{
    crew_queue_shut(queue[0]);
    crew_queue_shut(queue[1]);
}

/* What is left is got; then all that was put has been got, but for one message of each of the
 * dead where there are no leases. */
static const char *queue_check(void)
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t numbers = atomic_load(&post[i].next), lost = 0;
        int r;

        while ((r = get(i, CREW_NOW)) == 0)
            ;
        if (r != CREW_ECLOSED || crew_queue_size(queue[i]) > 0 ||
            crew_queue_join(queue[i], CREW_NOW) < 0)
            return "queue: it was shut, and is not empty";
        if (numbers > NUMBERS)
            numbers = NUMBERS;
        for (uint64_t k = 0; k <= numbers / 64 && k < NUMBERS / 64; k++)
            lost += (uint64_t)__builtin_popcountll(atomic_load(&post[i].put[k]) &
                                                   ~atomic_load(&post[i].got[k]));
        if (lost > (i == 0 ? 0 : storm->died - died_before))
            return i == 0 ? "queue: a message is lost" : "queue: more messages are lost than died";
        if (atomic_load(&post[i].twice) > 0)
            return "queue: a message was got twice";
        memset(&post[i], 0, sizeof post[i]);
        crew_queue_close(queue[i]);
    }
    return make_queues() < 0 ? "queue: no new one" : NULL;
}

const struct noun storm_queue = {
    .name = "queue",
    .open = queue_open,
    .close = queue_close,
    .work = queue_work,
    .may_wait = queue_may_wait,
    .finish = queue_finish,
    .check = queue_check,
};

/* -- pipe --------------------------------------------------------------------------------- */

/* One pipe that all use, both ends of it: [0] what goes into the first one, [1] into the second. */
static struct post *mail;
static crew_connection *end[2];
static uint64_t died_before_mail;

/* And one for each worker, which it sends into; the root receives. */
static crew_connection *ours[WORKERS], *theirs[WORKERS];
static uint64_t received[WORKERS];
static _Atomic uint64_t *sent; /* by each: as many as it lived to say */

static int pipe_open(void)
{
    int r = storm_block(&mail, 2 * sizeof *mail);

    if (r == 0)
        r = storm_block(&sent, WORKERS * sizeof *sent);
    if (r == 0)
        r = crew_pipe_open(&end[0], &end[1], &(struct crew_pipe_options){ .capacity = ROOM });
    for (unsigned i = 0; r == 0 && i < 2; i++) /* so neither end is over before the root is */
        r = crew_connection_bind(end[i], 0);
    died_before_mail = storm->died;
    return r;
}

static void pipe_close(void)
{
    crew_connection_close(end[0]);
    crew_connection_close(end[1]);
    crew_memory_free(mail);
    crew_memory_free((void *)sent);
}

static void pipe_before(unsigned i)
{
    int r = crew_pipe_open(&ours[i], &theirs[i], &(struct crew_pipe_options){ .capacity = ROOM });

    if (r < 0)
        storm_complain("pipe: open: %s", crew_strerror(r));
    atomic_store(&sent[i], 0);
    received[i] = 0;
}

static void pipe_after(unsigned i, pid_t pid)
{
    int r = crew_connection_bind(theirs[i], pid);

    if (r < 0 && r != -ESRCH)
        storm_complain("pipe: bind: %s", crew_strerror(r));
    crew_connection_close(theirs[i]);
}

/* Receives what a worker has sent so far; what that ends in. */
static int receive_from(unsigned i)
{
    uint64_t message[LONGEST / 8];
    size_t size;
    int r;

    while ((r = crew_connection_recv_into(ours[i], message, sizeof message, &size, CREW_NOW)) ==
           0) {
        if (!is_whole(message, size) || message[0] != received[i])
            storm_complain("pipe: message %lu of a worker is not the one that it sent",
                           (unsigned long)received[i]);
        received[i]++;
    }
    return r;
}

/* It is dead, or has ended without closing: all that it sent is there, and then that it died. */
static void pipe_ended(unsigned i)
{
    int r = receive_from(i);
    uint64_t told = atomic_load(&sent[i]);

    if (r != CREW_EPEERDIED)
        storm_complain("pipe: behind the last message of the dead: %s", crew_strerror(r));
    if (received[i] < told || received[i] > told + 1)
        storm_complain("pipe: %lu messages of the dead, which had sent %lu",
                       (unsigned long)received[i], (unsigned long)told);
    crew_connection_close(ours[i]);
    ours[i] = NULL;
}

static void pipe_tend(void)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (ours[i])
            receive_from(i);
}

static int send(unsigned which, crew_time deadline)
{
    uint64_t number = atomic_fetch_add(&mail[which].next, 1), message[LONGEST / 8];
    int r;

    if (number >= NUMBERS)
        return -EAGAIN;
    r = crew_connection_send(end[which], message, fill(message, number), deadline);
    if (r == 0)
        set(mail[which].put, number);
    return r;
}

static int receive(unsigned which, crew_time deadline)
{
    uint64_t buffer[LONGEST / 8], *message = buffer;
    bool block = roll() % 4 == 0;
    void *taken = NULL;
    size_t size = 0;
    int r = block
                ? crew_connection_recv(end[1 - which], &taken, &size, deadline)
                : crew_connection_recv_into(end[1 - which], buffer, sizeof buffer, &size, deadline);

    if (r < 0)
        return r;
    if (block)
        message = taken;
    if (!is_whole(message, size))
        storm_complain("pipe: a message of %zu bytes is not as it was sent", size);
    else if (set(mail[which].got, message[0]))
        atomic_fetch_add(&mail[which].twice, 1);
    crew_memory_free(taken);
    return 0;
}

static void pipe_work(unsigned me)
{
    unsigned which = roll() % 2;
    crew_time deadline = roll() % 4 ? crew_in_ms(roll() % 2) : storm_deadline();
    uint64_t message[LONGEST / 8];
    int r;

    switch (roll() % 4) {
    case 0:
        deadline = roll() % 2 ? CREW_NOW : crew_in_ms(1);
        r = crew_connection_send(theirs[me], message, fill(message, atomic_load(&sent[me])),
                                 deadline);
        if (r == 0)
            atomic_fetch_add(&sent[me], 1);
        break;
    case 1:
        r = send(which, storm_waits(me, 1 + which, deadline));
        break;
    default:
        r = receive(which, storm_waits(me, 3 + which, deadline));
    }
    storm_back(me);
    if (r < 0 && !storm_in_vain(r, deadline))
        storm_complain("pipe: %s", crew_strerror(r));
}

static uint64_t count_bits(const _Atomic uint64_t *one, const _Atomic uint64_t *but)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < NUMBERS / 64; i++)
        sum += (uint64_t)__builtin_popcountll(atomic_load(&one[i]) &
                                              ~(but ? atomic_load(&but[i]) : 0));
    return sum;
}

static bool pipe_may_wait(uint64_t what, bool asleep)
{
    unsigned which = (what - 1) % 2;

    if (what > 2)
        return crew_connection_poll(end[1 - which], CREW_NOW) == -EAGAIN;
    if (count_bits(mail[which].put, mail[which].got) >= ROOM)
        return true;
    if (asleep)
        stranded |= send(which, CREW_NOW) != -EAGAIN;
    return asleep && !stranded;
}

/* Makes room for who waits to send; else there is a message for each that may wait for one. */
static void pipe_finish(void)
{
    for (unsigned which = 0; which < 2; which++) {
        unsigned drained = 0;

        while (receive(which, CREW_NOW) == 0)
            drained++;
        for (unsigned i = 0; drained == 0 && i < WORKERS; i++)
            if (send(which, CREW_NOW) < 0)
                storm_complain("pipe: the root can't send");
    }
}

static const char *pipe_check(void)
{
    for (unsigned i = 0; i < 2; i++) {
        int r;

        while ((r = receive(i, CREW_NOW)) == 0)
            ;
        if (r != -EAGAIN)
            return "pipe: it is over, and has users";
        if (count_bits(mail[i].put, mail[i].got) > storm->died - died_before_mail)
            return "pipe: more messages are lost than died";
        if (atomic_load(&mail[i].twice) > 0)
            return "pipe: a message was received twice";
        memset(&mail[i], 0, sizeof mail[i]);
    }
    died_before_mail = storm->died;
    return NULL;
}

const struct noun storm_pipe = {
    .name = "pipe",
    .open = pipe_open,
    .close = pipe_close,
    .work = pipe_work,
    .tend = pipe_tend,
    .may_wait = pipe_may_wait,
    .finish = pipe_finish,
    .check = pipe_check,
    .before = pipe_before,
    .after = pipe_after,
    .ended = pipe_ended,
};
