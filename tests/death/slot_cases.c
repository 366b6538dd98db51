/* slot_cases.c - Description: if one of these failed, a submitted task could be lost, or run or
 * reported twice, because a worker died at the wrong moment.
 *
 * src/pool/slot.c on a board of four slots. Each task notes in the arena that it was begun; what its
 * end says is checked against that. */
#include "cases.h"

#include <pool/slot.h>

#include <errno.h>
#include <string.h>

#define SLOTS 4
#define WORDS 4
#define SUBMITTER 7
#define RESULT 500
#define PID 4711

struct notes {
    uint64_t begun[SLOTS];     /* how often */
    uint64_t finished[SLOTS];  /* its worker knows that the end is published */
    uint64_t again;            /* a task was begun after that */
    uint64_t accepted;         /* tasks whose submit has returned */
    uint64_t collected[SLOTS]; /* ends that the root was told */
    uint64_t retries;
};

struct arena {
    struct board_shm board;
    _Alignas(CACHE_LINE) uint32_t ring[CACHE_LINE / sizeof(uint32_t)]; /* a board: ring and slots */
    struct slot_shm slots[SLOTS];
    struct notes notes;
};

static struct arena *arena(void)
{
    return (struct arena *)(void *)death_arena;
}

static int function(crew_task *task)
{
    (void)task;
    return 0;
}

/* The index of the slot is its task's number. */
static void fill(uint32_t index)
{
    struct slot_shm *slot = &arena()->slots[index];
    uint64_t words[WORDS] = { index, index + 1, index + 2, index + 3 };

    slot->function = function;
    slot->argument_size = sizeof words;
    slot->argument_block = NULL;
    memcpy(slot_argument(slot, sizeof words), words, sizeof words);
}

static bool filled(struct slot_shm *slot, uint32_t index)
{
    const uint64_t *words = slot_argument(slot, WORDS * sizeof *words);

    for (uint32_t i = 0; i < WORDS; i++)
        if (words[i] != index + i)
            return false;
    return slot->function == function && slot->argument_size == WORDS * sizeof *words;
}

static int submit(uint32_t index)
{
    if (!slot_claim(&arena()->slots[index], SUBMITTER))
        return -EAGAIN;
    arena()->notes.finished[index] = 0;
    fill(index);
    slot_publish(&arena()->board, index);
    arena()->notes.accepted |= UINT64_C(1) << index;
    return 0;
}

/* Takes a task, runs it and says so. False: there was none. */
static bool work(uint32_t worker, uint32_t *seen)
{
    struct arena *a = arena();
    uint32_t i = slot_take(&a->board, worker, seen);
    uint64_t result[3];

    if (i == SLOT_NONE)
        return false;
    a->notes.begun[i]++;
    if (a->notes.finished[i])
        a->notes.again = 1;
    if (!filled(&a->slots[i], i))
        a->notes.begun[i] += 1000;
    for (unsigned k = 0; k < 3; k++)
        result[k] = RESULT + i + k;
    memcpy(slot_result(&a->slots[i], sizeof result), result, sizeof result);
    a->slots[i].result_size = sizeof result;
    a->slots[i].code = 0;
    slot_finish(&a->slots[i], worker, SLOT_RESULT_IS_THERE);
    a->notes.finished[i] = 1;
    return true;
}

/* -- what is there before ------------------------------------------------------------------------- */

static void empty(void)
{
    memset(arena()->slots, 0x5a, sizeof arena()->slots); /* a block holds what was there before */
    memset(arena()->ring, 0x5a, sizeof arena()->ring);
    board_init(&arena()->board, SLOTS, arena()->ring);
}

static void two_ready(void)
{
    empty();
    submit(0);
    submit(1);
}

static void two_ready_and_a_retry(void)
{
    two_ready();
    arena()->notes.retries = 1;
}

/* A ring that has gone around, a slot in use, a task that a dead worker had. */
static void busy(void)
{
    uint32_t seen = 0;

    empty();
    for (unsigned lap = 0; lap < 3; lap++) {
        submit(0);
        submit(1);
        work(9, &seen);
        work(9, &seen);
        slot_collect(&arena()->slots[0]);
        slot_collect(&arena()->slots[1]);
    }
    memset(&arena()->notes, 0, sizeof arena()->notes);
    submit(2);
    submit(0);
    submit(3);
    arena()->notes.retries = 2;
}

/* -- what is done ----------------------------------------------------------------------------------- */

static int submit_one(void)
{
    return submit(0);
}

static int submit_and_take_back(void)
{
    struct slot_shm *slot = &arena()->slots[1];

    if (!slot_claim(slot, SUBMITTER))
        return -EAGAIN;
    slot->argument_size = 1;
    slot_abandon(slot);
    return submit(0);
}

/* Workers are numbered as the processes of a case. A new one looks at all slots once. */
static int work_one(uint32_t worker)
{
    uint32_t seen = load_acquire(&arena()->board.requeued) - 1;

    return work(worker, &seen) ? 0 : -EAGAIN;
}
static int work_0(void)
{
    return work_one(0);
}
static int work_1(void)
{
    return work_one(1);
}
/* One that has been here for a while, and takes what it finds until nothing is left. */
static int work_all_0(void)
{
    uint32_t seen = 0;

    while (work(0, &seen))
        ;
    return 0;
}
static int work_all_1(void)
{
    uint32_t seen = 0;

    while (work(1, &seen))
        ;
    return 0;
}

/* Reads an end, as future_harvest() does. */
static const char *collect(uint32_t i)
{
    struct arena *a = arena();
    struct slot_shm *slot = &a->slots[i];
    const uint64_t *result = slot_result(slot, 3 * sizeof *result);
    const char *wrong = NULL;

    switch (slot->outcome) {
    case SLOT_RESULT_IS_THERE:
        if (slot->result_size != 3 * sizeof *result)
            wrong = "a result of the wrong size";
        for (unsigned k = 0; k < 3; k++)
            if (result[k] != RESULT + i + k)
                wrong = "a torn result";
        if (a->notes.begun[i] == 0)
            wrong = "a result of a task that was never begun";
        break;
    case SLOT_DIED:
        if (a->notes.finished[i])
            wrong = "lost: a result that was published";
        if (slot->pid != PID || slot->death.signal != 9 || slot->death.status != -1)
            wrong = "a death without its details";
        break;
    case SLOT_CANCELLED:
        if (a->notes.begun[i] > slot_tries(slot))
            wrong = "twice: cancelled, and run too";
        break;
    default:
        wrong = "an outcome that nobody wrote";
    }
    a->notes.collected[i]++;
    slot_collect(slot);
    return wrong;
}

/* The root: takes one task back, submits another, and collects what is done. */
static int cancel_and_submit(void)
{
    struct arena *a = arena();
    int wrong = 0;

    slot_cancel(&a->slots[0]);
    submit(2);
    for (uint32_t i = 0; i < 2; i++)
        if (slot_state(&a->slots[i]) == SLOT_DONE)
            wrong |= collect(i) != NULL;
    return wrong;
}

/* -- and then --------------------------------------------------------------------------------------- */

static void repair(unsigned dead)
{
    const struct os_end end = { .status = -1, .signal = 9 };
    struct slot_damage damage = { 0, 0 };

    for (uint32_t w = 0; w < DEATH_PROCESSES; w++)
        if (dead >> w & 1)
            slot_repair(&arena()->board, w, (uint32_t)arena()->notes.retries, SLOT_DIED, &end, PID,
                        &damage);
}

static void repair_submitter(unsigned dead)
{
    if (dead)
        slot_repair_submitter(&arena()->board, SUBMITTER);
}

/* Every task that was accepted ends, once; begun once more than its worker died at most. 'worker' is
 * a new one, which does what is left. */
static const char *drain(void)
{
    struct arena *a = arena();
    const char *wrong = board_check(&a->board);
    uint32_t seen = load_acquire(&a->board.requeued) - 1;
    unsigned n = 0;

    if (wrong)
        return wrong;
    while (work(5, &seen))
        if (++n > SLOTS)
            return "twice: more tasks than there are";
    if (a->notes.again)
        return "twice: a task was begun after its end";
    for (uint32_t i = 0; i < SLOTS; i++) {
        enum slot_state state = slot_state(&a->slots[i]);

        if (state == SLOT_TAKEN)
            return "hang: a task is with nobody alive";
        if (state == SLOT_READY)
            return "hang: a task that nobody finds";
        if (state == SLOT_FILLING)
            return "hang: a slot is filled by nobody alive";
        if (state == SLOT_DONE && (wrong = collect(i)))
            return wrong;
        if ((a->notes.accepted >> i & 1) && a->notes.collected[i] == 0)
            return "lost: a task without an end";
        if (a->notes.collected[i] > 1)
            return "twice: a task with two ends";
        if (a->notes.begun[i] > 1 + a->notes.retries)
            return a->notes.begun[i] >= 1000 ? "a torn task was run" : "twice: a task begun again";
    }
    return NULL;
}

static const char *round_trip(void)
{
    struct arena *a = arena();
    uint32_t seen = load_acquire(&a->board.requeued);

    for (uint32_t i = 0; i < SLOTS; i++) {
        if (submit(i) != 0)
            return "lost: a slot that can't be used any more";
        if (!work(6, &seen))
            return "hang: a new task is not found";
        if (slot_state(&a->slots[i]) != SLOT_DONE || collect(i))
            return "a new task has no result";
    }
    return board_check(&a->board);
}

static const char *check(const struct death_end *ends)
{
    const char *wrong = drain();

    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (!wrong && ends[p].how == DEATH_RETURNED && ends[p].result > 0)
            wrong = "a wrong end was read";
    return wrong ? wrong : round_trip();
}

/* Whoever was told "accepted" finds its task run; who was not finds it run whole, or not at all. */
static const char *check_submit(const struct death_end *ends)
{
    if (ends[0].how == DEATH_RETURNED && !(arena()->notes.accepted & 1))
        return "broken: the case";
    return check(ends);
}

#define SLOT_CASE(what, before, after, ...)                                                  \
    { .name = "slot: " what, .size = sizeof(struct arena), .setup = before,                  \
      .recover = repair, .check = after, .operation = { __VA_ARGS__ }

static const struct death_case list[] = {
    { .name = "slot: submit", .size = sizeof(struct arena), .setup = empty,
      .operation = { submit_one }, .recover = repair_submitter, .check = check_submit },
    { .name = "slot: submit after an abandoned one", .size = sizeof(struct arena), .setup = empty,
      .operation = { submit_and_take_back }, .recover = repair_submitter, .check = check_submit },
    SLOT_CASE("take and finish, no retries", two_ready, check, work_0) },
    SLOT_CASE("take and finish, one retry", two_ready_and_a_retry, check, work_0) },
    SLOT_CASE("take all that a busy board has", busy, check, work_all_0) },
    SLOT_CASE("two take one each", two_ready_and_a_retry, check, work_0, work_1) },
    SLOT_CASE("two take all", two_ready, check, work_all_0, work_all_1) },
    SLOT_CASE("two take all, a busy board", busy, check, work_all_0, work_all_1) },
    SLOT_CASE("two work, the root cancels, submits, collects", two_ready, check, work_all_0,
              work_all_1, cancel_and_submit), .immortal = 4 },
    SLOT_CASE("two work, the root submits, with a retry", two_ready_and_a_retry, check, work_all_0,
              work_all_1, cancel_and_submit), .immortal = 4 },
};

const struct death_cases slot_cases = { list, sizeof list / sizeof list[0] };
