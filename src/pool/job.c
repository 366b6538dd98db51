/* job.c - the indices of a map, for or reduce, and who is at which.
 *
 * Indices are grouped into units (a unit is one task at least), units into blocks. A block is one
 * word, and the word says everything:
 *
 *     end:22  position:22  width:5  tries:4  owner:10
 *
 *   units before 'position' are done; [position, position + 2^width) are being run by 'owner' (cut at
 *   'end'); the rest up to 'end' is waiting. Unit u of the block is unit base + u of the job.
 *
 *     EMPTY      owner none, position == end      nothing left; may be used for a split
 *     FREE       owner none, position < end       whoever comes first takes it
 *     OWNED(w)   width < 30
 *     RESERVED(w), PREPARED(w)                    w is moving half of another block here, below
 *
 *              take [T]                     finish [F], advance [A]
 *     FREE ---------------> OWNED(w) --------------------------------> OWNED(w) ... EMPTY
 *      ^                      |   |
 *      +--- w dies, or the    |   |  split: the owner gives away the back half of its block b to s:
 *           job is cancelled -+   |
 *                                 +-->  [0] used > s
 *                                       [1] s: EMPTY -> RESERVED(w), by compare-and-swap; splits + 1
 *                                       [2] s.base, s.length; s: RESERVED -> PREPARED(w, position: middle,
 *                                           end: b's number)
 *                                       [3] b.end = middle           this store gives the units away
 *                                       [4] s: PREPARED -> FREE(0, length)
 *
 * Finishing a task and beginning the next is ONE store [A] by the owner, so a unit is done, or being
 * run, or waiting, at every instruction; and "being run" and "by whom" stand in the same word. Only
 * the owner writes an owned word; only its death lets the repairer do so. There is no shared
 * counter: 'next' can't be lost between the adding and the saying so.
 *
 * Order  [T] acquire after any release of the word: base, and the results of who had it before
 *        [A] [F] release -> acquire in job_is_finished(): the results
 *        active release -> acquire in job_work(): the job's description
 *        inside / active: both seq_cst; who enters says so, then looks whether the job is still open;
 *        the caller closes it, then looks who is inside
 *        [1] splits rises after the reservation and before [3]: a search that reads 'splits' unchanged
 *        has missed no unit on its way from b to s; nor because it read 'used' before [0]. Who looks for
 *        a free block and reads 'used' too early is rung after [4]
 *
 * The owner dies ...            others see             repair, in this order
 *   between [0] and [1]         used, a bound         none: a block more is looked at
 *   between [1] and [2]         RESERVED(w)            -> EMPTY
 *   between [2] and [3]         PREPARED(w), b.end is  -> EMPTY: b still has the units
 *                               not the middle
 *   between [3] and [4]         PREPARED(w), b.end is  -> FREE(0, length): only w could write b.end,
 *                               the middle             and it was above the middle before
 *   (these before w's OWNED blocks, for they are judged by b's word while w still owns it)
 *   running a task              OWNED(w)               retries left: FREE, tries + 1; else the death is
 *                                                      noted, and FREE behind the task, or EMPTY
 *   after the last [F]          EMPTY                  none; who waits is rung and looks itself
 *   hungry                      its bit                cleared: a hint
 *   noting a failure            the record before, or  a note on the task that is run again, or is
 *                               the new one            reported as died, is taken back
 *   inside, also doomed         inside != 0            0, last of all
 *   the repairer itself         as before each step    the next repair starts over; each step is one
 *                                                      store, and leaves no word of w's behind
 *
 * A task that is run again is run alone (width 0), so that a poisonous unit is found. */
#include "job.h"

#include <process/task.h>

#include <string.h>

#define END_BITS 22
#define POSITION_SHIFT 22
#define WIDTH_SHIFT 44
#define TRIES_SHIFT 49
#define OWNER_SHIFT 53
#define MOST_UNITS ((UINT64_C(1) << END_BITS) - 1)
#define POSITION_ONE (UINT64_C(1) << POSITION_SHIFT)
#define WIDTH_MOST 21
#define RESERVED 30
#define PREPARED 31
#define TASK_NS INT64_C(50000) /* an adapted task takes about this long: 1,000 times what a chunk costs */

static uint64_t word_make(uint64_t owner, uint64_t tries, uint64_t width, uint64_t position, uint64_t end)
{
    return owner << OWNER_SHIFT | tries << TRIES_SHIFT | width << WIDTH_SHIFT |
           position << POSITION_SHIFT | end;
}

static uint64_t word_end(uint64_t word)
{
    return word & MOST_UNITS;
}

static uint64_t word_position(uint64_t word)
{
    return word >> POSITION_SHIFT & MOST_UNITS;
}

static uint64_t word_width(uint64_t word)
{
    return word >> WIDTH_SHIFT & 31;
}

static uint64_t word_tries(uint64_t word)
{
    return word >> TRIES_SHIFT & 15;
}

/* The owner's number + 1; 0: none. */
static uint64_t word_owner(uint64_t word)
{
    return word >> OWNER_SHIFT;
}

static bool word_is_empty(uint64_t word)
{
    return word_owner(word) == 0 && word_position(word) >= word_end(word);
}

static bool word_is_free(uint64_t word)
{
    return word_owner(word) == 0 && word_position(word) < word_end(word);
}

/* One past the last unit that is being run. */
static uint64_t running_end(uint64_t word)
{
    uint64_t to = word_position(word) + (UINT64_C(1) << word_width(word));

    return to < word_end(word) ? to : word_end(word);
}

/* The index with which a unit begins; the end of the job for all units behind it. */
static uint64_t index_of(const struct job_shm *job, uint64_t unit)
{
    uint64_t all = job->plan.count - job->first;

    return unit > all / job->plan.unit ? job->plan.count : job->first + unit * job->plan.unit;
}

/* -- set-up -------------------------------------------------------------------------------- */

uint32_t job_table(unsigned workers)
{
    return workers * 8 < 32 ? 32 : workers * 8;
}

size_t job_size(unsigned workers)
{
    return job_table(workers) * sizeof(struct block_shm) + workers * sizeof(struct job_seat_shm);
}

void job_init(struct job_shm *job, unsigned workers, void *memory, struct gate_shm *gate)
{
    memset(job, 0, sizeof *job);
    memset(memory, 0, job_size(workers));
    job->table = job_table(workers);
    job->block = memory;
    job->seat = (struct job_seat_shm *)(job->block + job->table);
    job->gate = gate;
}

void job_expect(const struct job_shm *job, unsigned workers)
{
    os_fetch_to_write(&job->gate->event);
    os_fetch_to_write(&job->active);
    os_fetch_to_write(job->small);
    for (unsigned w = 0; w < workers && w < 4; w++) {
        os_fetch_to_write(&job->block[w].word);
        __builtin_prefetch(&job->seat[w].inside);
    }
}

uint64_t job_capacity(const struct job_shm *job)
{
    return (uint64_t)(job->table / 2) * MOST_UNITS;
}

/* A line that is not written stays with those who look at it. */
static void renew(_Atomic uint32_t *word, uint32_t value)
{
    if (load_relaxed(word) != value)
        store_relaxed(word, value);
}

static void renew_64(_Atomic uint64_t *word, uint64_t value)
{
    if (load_relaxed(word) != value)
        store_relaxed(word, value);
}

void job_open(struct job_shm *job, uint64_t units, unsigned workers)
{
    static _Atomic uint32_t epochs; /* this process's; 0 is left out */
    uint32_t epoch = atomic_fetch_add(&epochs, 1) + 1;
    uint64_t blocks = (uint64_t)workers * 4;
    uint64_t at = 0;

    if (blocks * MOST_UNITS < units)
        blocks = units / MOST_UNITS + (units % MOST_UNITS != 0);
    if (blocks > units)
        blocks = units;
    job->blocks = (uint32_t)blocks;
    for (uint32_t b = 0; b < blocks; b++) { /* sizes differ by one unit at most */
        uint64_t length = units / blocks + (b < units % blocks);

        job->block[b].base = at;
        store_relaxed(&job->block[b].word, word_make(0, 0, 0, 0, length));
        at += length;
    }
    for (uint32_t b = job->blocks; b < load_relaxed(&job->used) && b < job->table; b++)
        renew_64(&job->block[b].word, 0); /* a cancelled job leaves what it had */
    renew(&job->used, job->blocks);
    renew_64(&job->hungry, 0);
    renew(&job->cancel, 0);
    store_total(&job->active, epoch ? epoch : atomic_fetch_add(&epochs, 1) + 1);
}

bool job_is_finished(struct job_shm *job)
{
    uint32_t splits = load_total(&job->splits), used = load_total(&job->used);

    for (uint32_t b = 0; b < used && b < job->table; b++)
        if (!word_is_empty(load_total(&job->block[b].word)))
            return false;
    return load_total(&job->splits) == splits;
}

void job_close(struct job_shm *job)
{
    store_total(&job->active, 0);
}

bool job_is_empty(const struct job_shm *job, unsigned workers)
{
    for (unsigned w = 0; w < workers; w++)
        if (load_total(&job->seat[w].inside) != 0)
            return false;
    return true;
}

/* -- failures ------------------------------------------------------------------------------ */

void job_clear_failures(struct job_shm *job, unsigned workers)
{
    for (unsigned w = 0; w < workers; w++)
        failure_clear(&job->seat[w].failure);
    failure_clear(&job->death);
}

bool job_failure(struct job_shm *job, unsigned workers, struct crew_failure *failure)
{
    const struct crew_failure *least = failure_now(&job->death);

    for (unsigned w = 0; w < workers; w++) {
        const struct crew_failure *f = failure_now(&job->seat[w].failure);

        if (f && (!least || f->begin < least->begin))
            least = f;
    }
    if (!least)
        return false;
    *failure = *least;
    failure->message[sizeof failure->message - 1] = '\0';
    return true;
}

/* -- working ------------------------------------------------------------------------------- */

struct shift { /* a worker's stay in a job; its own memory */
    struct job_shm *job;
    unsigned worker;
    pid_t pid;
    uint64_t width;   /* of the next task, as a power of two     */
    uint32_t start;   /* where it looks for a block first        */
    uint32_t split;   /* the block it split off last, JOB_NONE   */
    crew_time deadline;
    struct task_run run;
};

static __attribute__((noinline, cold)) void note_failure(struct shift *shift, int code)
{
    struct task_run *run = &shift->run;
    struct crew_failure f = { .error = CREW_ETASK, .code = code, .begin = run->task.begin,
                              .end = run->task.end, .attempts = run->task.attempt,
                              .pid = shift->pid };

    memcpy(f.message, run->message, sizeof f.message);
    failure_note(&shift->job->seat[shift->worker].failure, &f);
    run->message[0] = '\0';
}

/* [0]: block s is looked at from now on. */
static void use(struct job_shm *job, uint32_t s)
{
    uint32_t used = load_relaxed(&job->used);

    while (used <= s && !swap_if(&job->used, &used, s + 1))
        ;
}

/* Moves the back half of block b, owned by the caller with this word, to an empty block. Returns b's
 * new word. */
static uint64_t split(struct shift *shift, uint32_t b, uint64_t word)
{
    struct job_shm *job = shift->job;
    uint64_t end = word_end(word);
    uint64_t middle = word_position(word) + (end - word_position(word) + 1) / 2;
    uint64_t me = shift->worker + 1;

    if (end - word_position(word) < 2)
        return word;
    if (shift->split != JOB_NONE && word_is_free(load_relaxed(&job->block[shift->split].word)))
        return word; /* what was given before still lies there */
    for (uint32_t s = 0; s < job->table; s++) {
        uint64_t seen = load_relaxed(&job->block[s].word);

        if (!word_is_empty(seen))
            continue;
        use(job, s);
        if (!swap_if(&job->block[s].word, &seen, word_make(me, 0, RESERVED, 0, 0))) /* [1] */
            continue;
        atomic_fetch_add(&job->splits, 1);
        job->block[s].base = job->block[b].base + middle; /* [2] */
        job->block[s].length = end - middle;
        store_release(&job->block[s].word, word_make(me, 0, PREPARED, middle, b));
        word = (word & ~MOST_UNITS) | middle;
        store_total(&job->block[b].word, word);                                        /* [3] */
        store_total(&job->block[s].word, word_make(0, 0, 0, 0, end - middle)); /* [4] */
        shift->split = s;
        gate_ring(job->gate, 1);
        return word;
    }
    return word;
}

static uint64_t hungry_bit(unsigned worker)
{
    return UINT64_C(1) << worker % 64;
}

static void look_at_clock(struct shift *shift)
{
    if (crew_time_now() >= shift->deadline)
        store_total(&shift->job->cancel, 1);
}

/* True if somebody else wants something at this boundary. */
static inline bool called(const struct job_shm *job)
{
    return load_relaxed(&job->hungry) != 0 || load_relaxed(&job->cancel) != 0;
}

/* The same, or the clock does. */
static bool disturbed(struct shift *shift)
{
    if (__builtin_expect(shift->deadline != CREW_FOREVER, 0))
        look_at_clock(shift);
    return called(shift->job);
}

/* At a boundary: 'word' is not stored yet, and no task of it has begun. The word to go on with, perhaps
 * split; 0: the job is cancelled, and the block has been given back. */
static uint64_t yield(struct shift *shift, uint32_t b, uint64_t word)
{
    struct job_shm *job = shift->job;

    if (load_relaxed(&job->cancel) == 0)
        return split(shift, b, word);
    store_total(&job->block[b].word, word_make(0, 0, 0, word_position(word), word_end(word)));
    return 0;
}

/* A map's block: one element a task. What an element costs beside its task is the least task worth a
 * map, so all that changes is kept in registers: hence a function of its own, and one for each kind. */
static inline __attribute__((always_inline)) void work_elements(struct shift *shift, uint32_t b,
                                                                uint64_t word, const bool arrays)
{
    struct job_shm *job = shift->job;
    _Atomic uint64_t *shared = &job->block[b].word;
    crew_function *function = job->plan.function;
    crew_task *t = &shift->run.task;
    /* as numbers, for both may be NULL */
    const size_t input_step = job->plan.input ? job->plan.input_size : 0;
    const size_t output_step = job->plan.output ? job->plan.output_size : 0;
    uint64_t i = job->first + job->block[b].base + word_position(word);
    uint64_t left = word_end(word) - word_position(word);
    uintptr_t input = (uintptr_t)job->plan.input + i * input_step;
    uintptr_t output = (uintptr_t)job->plan.output + i * output_step;
    bool special = true; /* the first element, whose tries are in the word; or there is a deadline */

    t->input = NULL;
    t->output = NULL;
    for (;;) {
        int code;

        if (arrays) {
            t->input = (const void *)input;
            t->output = (void *)output;
            input += input_step;
            output += output_step;
        }
        t->begin = i++;
        t->end = i;
        code = function(t);
        if (__builtin_expect(code != 0, 0))
            note_failure(shift, code);
        if (__builtin_expect(--left == 0, 0))
            break;
        if (__builtin_expect(special, 0)) {
            t->attempt = 1;
            word &= ~(UINT64_C(15) << TRIES_SHIFT);
            special = shift->deadline != CREW_FOREVER;
            if (special)
                look_at_clock(shift);
        }
        word += POSITION_ONE;
        if (__builtin_expect(called(job), 0)) {
            word = yield(shift, b, word);
            if (word == 0)
                return;
            left = word_end(word) - word_position(word);
        }
        store_release(shared, word); /* [A] */
    }
    store_total(shared, 0); /* [F] */
}

static __attribute__((noinline)) void work_map(struct shift *shift, uint32_t b, uint64_t word)
{
    work_elements(shift, b, word, false);
}

static __attribute__((noinline)) void work_arrays(struct shift *shift, uint32_t b, uint64_t word)
{
    work_elements(shift, b, word, true);
}

/* A block of a for or a reduce: ranges. */
static void work_ranges(struct shift *shift, uint32_t b, uint64_t word)
{
    struct job_shm *job = shift->job;
    _Atomic uint64_t *shared = &job->block[b].word;
    crew_task *t = &shift->run.task;
    crew_time before = job->plan.adapt ? crew_time_now() : 0;

    for (;;) {
        uint64_t from = job->block[b].base + word_position(word);
        uint64_t to = job->block[b].base + running_end(word);
        int code;

        t->begin = index_of(job, from);
        t->end = index_of(job, to);
        if (job->plan.kind == JOB_LEAF) { /* who died at it may have left something there */
            t->output = job->plan.output + t->begin / job->plan.unit * job->plan.output_size;
            memset(t->output, 0, job->plan.output_size);
        }
        code = job->plan.function(t);
        if (__builtin_expect(code != 0, 0))
            note_failure(shift, code);
        t->attempt = 1;
        if (running_end(word) == word_end(word)) {
            store_total(shared, 0); /* [F] */
            return;
        }
        if (job->plan.adapt) {
            crew_time now = crew_time_now();

            if (now - before < TASK_NS / 2 && shift->width < WIDTH_MOST)
                shift->width++;
            else if (now - before > TASK_NS * 2 && shift->width > 0)
                shift->width--;
            before = now;
        }
        word = word_make(shift->worker + 1, 0, shift->width, running_end(word), word_end(word));
        if (__builtin_expect(disturbed(shift), 0)) {
            word = yield(shift, b, word);
            if (word == 0)
                return;
        }
        store_release(shared, word); /* [A] */
    }
}

static void work_block(struct shift *shift, uint32_t b, uint64_t word)
{
    struct job_shm *job = shift->job;

    shift->run.task.attempt = (unsigned)word_tries(word) + 1;
    if (job->plan.kind != JOB_MAP)
        work_ranges(shift, b, word);
    else if (job->plan.input || job->plan.output)
        work_arrays(shift, b, word);
    else
        work_map(shift, b, word);
}

/* [T]: takes a free block, beginning the search where this worker's share lies. False: none. */
static bool take_block(struct shift *shift, uint32_t start, uint32_t *b, uint64_t *word)
{
    struct job_shm *job = shift->job;

    uint32_t used = load_acquire(&job->used);

    used = used < job->table ? used : job->table;
    for (uint32_t n = 0; n < used; n++) {
        uint32_t i = start + n < used ? start + n : start + n - used;
        uint64_t seen = load_relaxed(&job->block[i].word);
        uint64_t width = word_tries(seen) ? 0 : shift->width;

        if (!word_is_free(seen))
            continue;
        *word = word_make(shift->worker + 1, word_tries(seen), width, word_position(seen),
                          word_end(seen));
        if (!swap_if(&job->block[i].word, &seen, *word))
            continue;
        *b = i;
        return true;
    }
    return false;
}

/* Everything is taken. Most jobs end together: it is awaited for a moment, before anybody is asked for
 * more work or goes to sleep. */
static bool finishes_now(struct job_shm *job)
{
    uint32_t event;

    if (job_is_finished(job))
        return true;
    event = gate_event(job->gate);
    for (uint32_t i = job->gate->spin / 32; i > 0 && gate_event(job->gate) == event; i--) {
        os_relax();
        if (job_is_finished(job))
            return true;
    }
    return false;
}

/* One turn of a worker inside the job. */
static enum job_turn turn(struct shift *shift, uint32_t epoch)
{
    struct job_shm *job = shift->job;
    uint32_t b;
    uint64_t word;

    if (load_relaxed(&job->cancel) != 0)
        return JOB_THROUGH;
    if (take_block(shift, shift->start, &b, &word)) {
        work_block(shift, b, word);
        shift->start = b + 1 < job->table ? b + 1 : 0;
        if (!job_is_finished(job)) /* who finishes it need not come again to see that */
            return JOB_MORE;
    } else if (!finishes_now(job)) {
        /* Ask the owners to split. The end is looked for after that, for who finishes before it could
         * see the bit rings for nobody. */
        atomic_fetch_or(&job->hungry, hungry_bit(shift->worker));
        if (!job_is_finished(job))
            return JOB_HUNGRY;
        job_sated(job, shift->worker);
    }
    store_total(&job->finished, epoch);
    if (load_total(&job->hungry) != 0)
        gate_ring(job->gate, GATE_ALL);
    return JOB_THROUGH;
}

void job_sated(struct job_shm *job, unsigned worker)
{
    atomic_fetch_and(&job->hungry, ~hungry_bit(worker));
}

/* Out; unless it is doomed: then the kill is on its way, and it does nothing else any more. */
static void leave(struct job_shm *job, unsigned worker, uint32_t epoch)
{
    if (!swap_if(&job->seat[worker].inside, &epoch, 0))
        os_exit(0);
}

/* Enters the job, if one is open. Returns its epoch, or 0. */
static uint32_t enter(struct job_shm *job, struct shift *shift, unsigned worker, pid_t pid)
{
    uint32_t epoch = load_acquire(&job->active);

    if (epoch == 0)
        return 0;
    store_total(&job->seat[worker].inside, epoch);
    if (load_total(&job->active) != epoch) {
        leave(job, worker, epoch);
        return 0;
    }
    memset(shift, 0, sizeof *shift);
    shift->job = job;
    shift->worker = worker;
    shift->pid = pid;
    shift->start = worker * UINT32_C(4) < job->blocks ? worker * UINT32_C(4) : worker % job->blocks;
    shift->split = JOB_NONE;
    shift->deadline = CREW_FOREVER;
    shift->run.task.worker = worker;
    shift->run.task.argument = job->plan.argument_size ? job->plan.argument : NULL;
    shift->run.task.argument_size = job->plan.argument_size;
    return epoch;
}

bool job_doom(struct job_shm *job, unsigned worker)
{
    uint32_t epoch = load_total(&job->seat[worker].inside);

    return epoch == JOB_DOOMED || (epoch != 0 && swap_if(&job->seat[worker].inside, &epoch, JOB_DOOMED));
}

enum job_turn job_turn(struct job_shm *job, unsigned worker, pid_t pid, uint32_t *epoch)
{
    struct shift shift;
    enum job_turn result;

    *epoch = enter(job, &shift, worker, pid);
    if (*epoch == 0)
        return JOB_CLOSED;
    result = turn(&shift, *epoch);
    leave(job, worker, *epoch);
    return result;
}

uint32_t job_work(struct job_shm *job, unsigned worker, pid_t pid, crew_time deadline)
{
    struct shift shift;
    uint32_t epoch = enter(job, &shift, worker, pid);
    enum job_turn result = JOB_MORE;

    if (epoch == 0)
        return 0;
    shift.deadline = deadline;
    while (result != JOB_THROUGH && load_acquire(&job->active) == epoch) {
        uint32_t seen = gate_event(job->gate);

        result = turn(&shift, epoch);
        if (result != JOB_HUNGRY)
            continue;
        gate_wait(job->gate, worker, seen, deadline, NULL);
        gate_pass_on(job->gate); /* it may have been for a submitted task, which the caller runs none of */
        job_sated(job, worker);
        if (deadline != CREW_FOREVER)
            look_at_clock(&shift);
    }
    leave(job, worker, epoch);
    return epoch;
}

/* -- repair -------------------------------------------------------------------------------- */

/* A RESERVED or PREPARED block of the dead. */
static void repair_split(struct job_shm *job, struct block_shm *s, uint64_t word)
{
    uint64_t from = word_end(word);
    bool given = false;

    if (word_width(word) == PREPARED && from < job->table) {
        uint64_t b = load_acquire(&job->block[from].word);

        given = word_owner(b) == word_owner(word) && word_width(b) < RESERVED &&
                word_end(b) == word_position(word);
    }
    store_total(&s->word, given ? word_make(0, 0, 0, 0, s->length & MOST_UNITS) : 0);
}

/* A block that the dead was running a task of. True: it will be run again. */
static bool repair_block(struct job_shm *job, unsigned dead, struct block_shm *b, uint64_t word,
                         const struct os_end *end, pid_t pid)
{
    struct crew_failure f = { .error = CREW_EWORKER,
                              .begin = index_of(job, b->base + word_position(word)),
                              .end = index_of(job, b->base + running_end(word)),
                              .attempts = (unsigned)word_tries(word) + 1, .pid = pid,
                              .status = end->status, .signal = end->signal,
                              .peak_memory = end->peak_memory };

    failure_unnote(&job->seat[dead].failure, f.begin, f.end);
    if (word_tries(word) < job->retries) {
        store_total(&b->word,
                    word_make(0, word_tries(word) + 1, 0, word_position(word), word_end(word)));
        return true;
    }
    failure_note(&job->death, &f);
    store_total(&b->word, running_end(word) < word_end(word)
                              ? word_make(0, 0, 0, running_end(word), word_end(word))
                              : 0);
    return false;
}

uint32_t job_repair(struct job_shm *job, unsigned dead, const struct os_end *end, pid_t pid)
{
    uint32_t again = 0;

    for (uint32_t b = 0; b < job->table; b++) {
        uint64_t word = load_acquire(&job->block[b].word);

        if (word_owner(word) == dead + 1 && word_width(word) >= RESERVED)
            repair_split(job, &job->block[b], word);
    }
    for (uint32_t b = 0; b < job->table; b++) {
        uint64_t word = load_acquire(&job->block[b].word);

        if (word_owner(word) == dead + 1)
            again += repair_block(job, dead, &job->block[b], word, end, pid);
    }
    job_sated(job, dead);
    store_total(&job->seat[dead].inside, 0);
    return again;
}

const char *job_check(const struct job_shm *job)
{
    for (uint32_t b = 0; b < job->table; b++) {
        uint64_t word = load_acquire(&job->block[b].word);
        uint64_t width = word_width(word);

        if (width > WIDTH_MOST && width < RESERVED)
            return "width of block";
        if (width >= RESERVED && word_owner(word) == 0)
            return "split of nobody";
        if (width < RESERVED && word_position(word) > word_end(word))
            return "position beyond end";
        if (width < RESERVED && word_owner(word) != 0 && word_position(word) >= word_end(word))
            return "owned block without a task";
    }
    for (uint32_t b = load_acquire(&job->used); b < job->table; b++)
        if (!word_is_empty(load_acquire(&job->block[b].word)))
            return "block in use behind those in use";
    if (load_acquire(&job->death.which) > 2)
        return "record of a death";
    return NULL;
}

int job_combine(struct task_run *run, crew_function *combine, char *partials, size_t size,
                uint64_t count)
{
    for (uint64_t step = 1; step < count; step *= 2)
        for (uint64_t i = 0; i < count - step; i += 2 * step) {
            int code;

            run->task.output = partials + i * size;
            run->task.input = partials + (i + step) * size;
            code = combine(&run->task);
            if (code != 0)
                return code;
            if (count - i <= 2 * step) /* i + 2 * step would be at or past the end, or wrap */
                break;
        }
    return 0;
}
