/* task.c - what a task says while it runs. All of it stays in the runner's own memory until the
 * runner publishes the end of the task: a death before that leaves nothing half said. */
#include "task.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int task_align(const void **argument, size_t size, void **copy)
{
    *copy = NULL;
    if (size == 0 || task_is_aligned(*argument))
        return 0;
    *copy = malloc(size);
    if (!*copy)
        return -ENOMEM;
    memcpy(*copy, *argument, size);
    *argument = *copy;
    return 0;
}

int crew_task_fail(crew_task *task, int code, const char *format, ...)
{
    struct task_run *run = (struct task_run *)task;
    va_list list;
    int n;

    va_start(list, format);
    n = vsnprintf(run->message, sizeof run->message, format, list);
    va_end(list);
    if (n >= (int)sizeof run->message) { /* cut: not inside a UTF-8 character */
        size_t end = sizeof run->message - 1;

        while (end > 0 && ((unsigned char)run->message[end - 1] & 0xC0) == 0x80)
            end--;
        if (end > 0 && (unsigned char)run->message[end - 1] >= 0xC0) {
            unsigned char lead = (unsigned char)run->message[end - 1];
            size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;

            if (end - 1 + length > sizeof run->message - 1)
                end--;
            else
                end = end - 1 + length;
        } else {
            end = sizeof run->message - 1;
        }
        run->message[end] = '\0';
    }
    return code != 0 ? code : -1;
}

int crew_task_result(crew_task *task, const void *data, size_t size)
{
    struct task_run *run = (struct task_run *)task;

    return run->result ? run->result(run, data, size) : -EINVAL;
}
