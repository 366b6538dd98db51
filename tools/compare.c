/* compare.c - runs, checks and tabulates; see compare.h. */
#include "compare.h"

#include "ordered.h"
#include "progress.h"
#include "say.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ROWS = 32 };

struct row {
    enum crew_kind kind;
    unsigned workers;
    double *times;
    struct compare_figures figures;
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct compare_figures compare_figures(double *times, unsigned count, unsigned workers,
                                       double sequential)
{
    struct compare_figures f;
    double n = workers;

    qsort(times, count, sizeof *times, by_size);
    f.least = times[0];
    f.most = times[count - 1];
    f.median = count % 2 ? times[count / 2] : (times[count / 2 - 1] + times[count / 2]) / 2;
    f.spread = (f.most - f.least) / f.median;
    f.speedup = sequential > 0 ? sequential / f.median : 1;
    f.efficiency = f.speedup / n;
    f.serial = workers > 1 ? (1 / f.speedup - 1 / n) / (1 - 1 / n) : (double)NAN;
    return f;
}

static unsigned rows_plan(struct row *rows, const struct compare_job *job,
                          const struct common_options *common)
{
    unsigned n = 0;

    rows[n++] = (struct row){.kind = CREW_SEQUENTIAL, .workers = 1};
    if (job->auto_row && common->kind == CREW_KIND_DEFAULT)
        rows[n++] = (struct row){.kind = CREW_KIND_DEFAULT, .workers = common->workers};
    for (enum crew_kind kind = CREW_THREADS; kind <= CREW_PROCESSES; kind++) {
        if (common->kind != CREW_KIND_DEFAULT && common->kind != kind)
            continue;
        for (unsigned w = 1;; w = 2 * w < common->workers ? 2 * w : common->workers) {
            rows[n++] = (struct row){.kind = kind, .workers = w};
            if (w >= common->workers)
                break;
        }
    }
    return n;
}

/* -- the table ---------------------------------------------------------------------------- */

static void put_seconds(FILE *to, double s)
{
    if (s < 0.001)
        fprintf(to, "%8.2f us", s * 1e6);
    else
        fprintf(to, "%9.*f s", s < 1 ? 4 : s < 100 ? 3 : 1, s);
}

static void table(FILE *to, const struct row *rows, unsigned count, const char *head)
{
    fprintf(to, "%s\n\n", head);
    fprintf(to, "executor    workers      median   spread  speedup  efficiency  serial fraction\n");
    for (unsigned i = 0; i < count; i++) {
        const struct compare_figures *f = &rows[i].figures;

        fprintf(to, "%-10s %8u ", ordered_kind_name(rows[i].kind), rows[i].workers);
        put_seconds(to, f->median);
        fprintf(to, " %6.1f %% %8.2f %9.0f %%", 100 * f->spread, f->speedup, 100 * f->efficiency);
        if (isnan(f->serial))
            fprintf(to, " %16s\n", "-");
        else
            fprintf(to, " %14.1f %%\n", 100 * f->serial);
    }
}

static int print_table(const struct compare_job *job, const struct row *rows, unsigned count,
                       unsigned runs, const uint64_t *result)
{
    char head[512], *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    if (!to)
        return say_error("no memory for the table");
    job->head(job->context, result, head, sizeof head);
    table(to, rows, count, head);
    fprintf(to, "\nmedian of %u runs each after one to warm up; spread: (most - least) / median; "
                "%u CPUs may be used\n", runs, crew_cpu_count());
    if (job->foot)
        fprintf(to, "%s", job->foot);
    if (fclose(to) != 0) {
        free(text);
        return say_error("no memory for the table");
    }
    int status = options_print("the table", text, size);
    free(text);
    return status;
}

static int print_json(const struct compare_job *job, const struct row *rows, unsigned count,
                      unsigned runs, const uint64_t *result)
{
    struct json j = {0};

    json_open(&j, NULL, '{');
    json_string(&j, "command", say_name());
    json_open(&j, "result", '{');
    job->members(job->context, result, &j);
    json_close(&j, '}');
    json_unsigned(&j, "cpus", crew_cpu_count());
    json_unsigned(&j, "runs", runs);
    json_open(&j, "rows", '[');
    for (unsigned i = 0; i < count; i++) {
        const struct compare_figures *f = &rows[i].figures;

        json_open(&j, NULL, '{');
        json_string(&j, "executor", ordered_kind_name(rows[i].kind));
        json_unsigned(&j, "workers", rows[i].workers);
        json_real(&j, "median_s", f->median);
        json_real(&j, "least_s", f->least);
        json_real(&j, "most_s", f->most);
        json_real(&j, "spread", f->spread);
        json_real(&j, "speedup", f->speedup);
        json_real(&j, "efficiency", f->efficiency);
        json_real(&j, "serial_fraction", f->serial);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    json_end(&j);

    int status = j.failed ? say_error("no memory for the table")
                          : options_print("the table", j.text, j.size);
    json_free(&j);
    return status;
}

/* -- the runs ----------------------------------------------------------------------------- */

static int run_row(const struct compare_job *job, struct row *row, int run, uint64_t *expected,
                   bool *known)
{
    uint64_t result[COMPARE_RESULT] = {0};
    crew_time begin = crew_time_now();
    int status = job->run(job->context, row->kind, row->workers, result);

    if (run >= 0)
        row->times[run] = job->seconds ? job->seconds(job->context)
                                       : (double)(crew_time_now() - begin) / 1e9;
    if (status != EXIT_DONE)
        return status;
    if (!*known) {
        memcpy(expected, result, sizeof result);
        *known = true;
    } else if (memcmp(expected, result, sizeof result) != 0) {
        return say_error("%s, %u workers: another result than sequentially: "
                         "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64
                         " instead of %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64,
                         ordered_kind_name(row->kind), row->workers, result[0], result[1],
                         result[2], result[3], expected[0], expected[1], expected[2], expected[3]);
    }
    return EXIT_DONE;
}

int compare(const struct compare_job *job, const struct common_options *common)
{
    struct row rows[MOST_ROWS];
    uint64_t expected[COMPARE_RESULT];
    unsigned count = rows_plan(rows, job, common), runs = common->runs;
    double *times = calloc((size_t)count * runs, sizeof *times);
    struct progress bar;
    bool known = false;
    int status = EXIT_DONE;

    if (!times)
        return say_error("no memory for %u runs", runs);
    for (unsigned i = 0; i < count; i++)
        rows[i].times = times + (size_t)i * runs;
    progress_begin(&bar, common->progress, "runs", false);
    for (int run = -1; run < (int)runs && status == EXIT_DONE; run++) {
        for (unsigned i = 0; i < count && status == EXIT_DONE; i++) {
            unsigned done = (unsigned)(run + 1) * count + i;

            status = run_row(job, &rows[i], run, expected, &known);
            progress_step(&bar, (double)(done + 1) / (count * (runs + 1)), done + 1);
        }
    }
    progress_end(&bar);
    if (status == EXIT_DONE) {
        for (unsigned i = 0; i < count; i++)
            rows[i].figures = compare_figures(rows[i].times, runs, rows[i].workers,
                                              i == 0 ? 0 : rows[0].figures.median);
        status = common->json ? print_json(job, rows, count, runs, expected)
                              : print_table(job, rows, count, runs, expected);
    }
    free(times);
    return status;
}
