/* bench/drivers/idle.c - what processes cost that wait and have nothing to do.
 *
 *     bench_idle LOCKS EVENTS QUEUES MS
 *
 * starts so many processes that wait for a lock, an event and a queue, and leaves them alone for MS milliseconds.
 * Prints for each of the three how often they were switched to in that time and the CPU time that they
 * used, in clock ticks, from /proc. */
#include "driver.h"

#include <crew.h>

#include <unistd.h>

enum { NOUNS = 3, MOST = 500 };

struct shared {
    crew_lock lock;
    crew_event event;
    crew_latch there;
    crew_queue *queue;
};

struct used {
    unsigned long long switches, ticks;
};

static struct shared *shared;

static void must(int r, const char *what)
{
    if (r != 0)
        driver_fail(what, crew_strerror(r));
}

static int wait_for_lock(crew_task *task)
{
    (void)task;
    crew_latch_count_down(&shared->there, 1);
    return crew_lock_acquire(&shared->lock, CREW_FOREVER);
}

static int wait_for_event(crew_task *task)
{
    (void)task;
    crew_latch_count_down(&shared->there, 1);
    return crew_event_wait(&shared->event, CREW_FOREVER);
}

static int wait_for_message(crew_task *task)
{
    char message[8];
    size_t size;

    (void)task;
    crew_latch_count_down(&shared->there, 1);
    return crew_queue_get(shared->queue, message, sizeof message, &size, CREW_FOREVER);
}

/* Adds what a process has used so far. */
static void add_used(pid_t pid, struct used *used)
{
    char path[64], line[1024];
    unsigned long long number, user, system;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &number) == 1 ||
            sscanf(line, "nonvoluntary_ctxt_switches: %llu", &number) == 1)
            used->switches += number;
    if (!f)
        driver_fail(path, "can't be read");
    fclose(f);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (!f || !fgets(line, sizeof line, f) || !strrchr(line, ')') ||
        sscanf(strrchr(line, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
               &system) != 2)
        driver_fail(path, "can't be read");
    fclose(f);
    used->ticks += user + system;
}

int main(int argc, char **argv)
{
    static crew_function *const waits[NOUNS] = { wait_for_lock, wait_for_event, wait_for_message };
    crew_process *process[MOST];
    struct used before[NOUNS] = { { 0, 0 } }, after[NOUNS] = { { 0, 0 } };
    unsigned end[NOUNS], count = 0;

    if (argc != 2 + NOUNS)
        driver_fail(argv[0], "LOCKS EVENTS QUEUES MS");
    for (unsigned n = 0; n < NOUNS; n++)
        end[n] = count += (unsigned)atoi(argv[1 + n]);
    if (count == 0 || count > MOST)
        driver_fail(argv[0], "too many, or none");
    must(crew_memory_alloc((void **)&shared, sizeof *shared), "crew_memory_alloc");
    must(crew_lock_init(&shared->lock, NULL), "crew_lock_init");
    must(crew_event_init(&shared->event), "crew_event_init");
    must(crew_latch_init(&shared->there, count), "crew_latch_init");
    must(crew_queue_open(&shared->queue, NULL), "crew_queue_open");
    must(crew_lock_acquire(&shared->lock, CREW_NOW), "crew_lock_acquire");
    for (unsigned i = 0, n = 0; i < count; i++) {
        while (i >= end[n])
            n++;
        must(crew_process_start(&process[i], waits[n], NULL, 0, NULL), "crew_process_start");
    }
    must(crew_latch_wait(&shared->there, CREW_FOREVER), "crew_latch_wait");
    driver_pause(500000); /* from there to sleep */
    for (unsigned i = 0, n = 0; i < count; i++) {
        while (i >= end[n])
            n++;
        add_used(crew_process_pid(process[i]), &before[n]);
    }
    driver_pause((uint64_t)atoi(argv[1 + NOUNS]) * 1000);
    for (unsigned i = 0, n = 0; i < count; i++) {
        while (i >= end[n])
            n++;
        add_used(crew_process_pid(process[i]), &after[n]);
    }
    for (unsigned n = 0; n < NOUNS; n++)
        printf("%llu %llu\n", after[n].switches - before[n].switches, after[n].ticks - before[n].ticks);
    fflush(stdout);
    for (unsigned i = 0; i < count; i++) {
        crew_process_kill(process[i]);
        must(crew_process_join(process[i], NULL, CREW_FOREVER), "crew_process_join");
        crew_process_close(process[i]);
    }
    return 0;
}
