/* filter_inside.h - one run of the filter as its files share it: filter_run.c cuts and writes,
 * filter_extended.c hands on rows in order, filter_text.c makes rows of text. */
#ifndef TOOLS_FILTER_INSIDE_H
#define TOOLS_FILTER_INSIDE_H

#include "filter_run.h"
#include "filter_task.h"

enum { CHUNK_NUMBERS = 1 << 16, TEXT_OF_A_NUMBER = 16 };

/* Rows in memory of our own. */
struct rows {
    char *at;
    uint64_t count, room;
};

struct run {
    const struct filter_work *work;
    struct source *source;
    const struct sink *sink;
    struct sink_file *file;  /* NULL: none                                                       */
    struct filter_sum *sum;
    struct filter_plan plan;
    struct ordered *ordered;
    struct progress bar;
    uint64_t memory;         /* bytes that all buffers may take                                  */
    char why[400];           /* of -EINVAL                                                       */

    uint64_t outputs, cut;   /* any place: averages in all, and in tasks so far                  */
    bool placed;             /* and tasks write them themselves                                  */

    size_t row;              /* bytes of a row as it is handed over                              */
    bool begun, ended;       /* the stream: its left end is made; its right end is               */
    uint64_t read;           /* samples so far                                                   */
    uint64_t left;           /* rows that stand before the first                                 */
    uint64_t extended;       /* rows of the extended signal so far                               */
    struct rows tail;        /* the last window - 1 of them, or all                              */
    struct rows lead;        /* rows that come next, before what is still to be read             */
    uint64_t lead_at;

    char *text;              /* read, and not in a task yet                                      */
    size_t text_size, text_room;
    bool last_text;          /* the task behind all text was made                                */
    uint64_t possible;       /* rows that this text can have held so far                         */
    struct table_place place;

    int lost;                /* samples were read, and no memory was there to keep them: -ENOMEM */
    bool writing;            /* the error is the output's                                        */
};

/* -- filter_run.c -- */

/* While auto still measures, tasks begin small and double. */
bool run_measures(const struct run *run, const struct ordered_slot *slot);

/* Rows in a task: so many that samples which are needed twice don't count, if memory allows. And as
 * many as the next one shall have. */
uint64_t run_task_rows(const struct run *run);
uint64_t run_chunk_rows(const struct run *run, const struct ordered_slot *slot);

/* Makes room in the slot: 'text' bytes and 'rows' rows that the task is given, what it works in for
 * 'count' averages, and what it writes. 0, -ENOMEM, or ORDERED_LATER. */
int run_lay_out(const struct run *run, struct ordered_slot *slot, size_t text, uint64_t rows,
                uint64_t count, struct filter_task *task);

/* f32 rows; else they are f64. */
bool run_rows_are_single(const struct run *run);

/* -- filter_extended.c: the extended signal, in order -- */

/* Room for so many rows, in memory of our own. 0 or -ENOMEM. */
int rows_room(const struct run *run, struct rows *rows, uint64_t room);

/* Remembers the last rows of what was just handed on: 'count' rows at 'at', the tail in front. */
int extended_keep(struct run *run, const char *at, uint64_t count);

/* What stands before the first sample, then 'head': the samples that had to be read to know it. And what
 * stands behind the last one, when all before it is in the tail. */
int extended_left(struct run *run, struct rows *head);
int extended_right(struct run *run);

/* Up to 'most' of these rows. How many. */
uint64_t extended_lead(struct run *run, char *to, uint64_t most);

/* The next task of a stream of numbers; as of ordered_job. */
int next_stream(void *context, struct ordered_slot *slot);

/* -- filter_text.c -- */

int next_table(void *context, struct ordered_slot *slot);
int between_table(void *context, struct ordered_slot *slot);

#endif
