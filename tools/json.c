/* json.c - the writer of json.h. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct json *j, const char *text, size_t size)
{
    if (j->failed)
        return;
    if (j->capacity - j->size < size + 1) {
        size_t capacity = 2 * (j->capacity + size) + 256;
        char *grown = realloc(j->text, capacity);

        if (!grown) {
            j->failed = true;
            return;
        }
        j->text = grown;
        j->capacity = capacity;
    }
    memcpy(j->text + j->size, text, size);
    j->size += size;
    j->text[j->size] = '\0';
}

static void put_string(struct json *j, const char *text)
{
    put(j, "\"", 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char escaped[8];

        if (c == '"' || c == '\\')
            put(j, (char[]){'\\', (char)c}, 2);
        else if (c < 0x20 || c == 0x7f)
            put(j, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", c));
        else
            put(j, text, 1);
    }
    put(j, "\"", 1);
}

static void begin(struct json *j, const char *name)
{
    if (j->comma)
        put(j, ", ", 2);
    j->comma = true;
    if (name) {
        put_string(j, name);
        put(j, ": ", 2);
    }
}

void json_open(struct json *j, const char *name, char bracket)
{
    begin(j, name);
    put(j, &bracket, 1);
    j->comma = false;
}

void json_close(struct json *j, char bracket)
{
    put(j, &bracket, 1);
    j->comma = true;
}

void json_string(struct json *j, const char *name, const char *value)
{
    begin(j, name);
    put_string(j, value);
}

void json_unsigned(struct json *j, const char *name, uint64_t value)
{
    char digits[24], *end = digits + sizeof digits, *s = end;

    begin(j, name);
    do {
        *--s = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    put(j, s, (size_t)(end - s));
}

void json_boolean(struct json *j, const char *name, bool value)
{
    begin(j, name);
    put(j, value ? "true" : "false", value ? 4 : 5);
}

void json_real(struct json *j, const char *name, double value)
{
    char digits[40];

    if (!isfinite(value)) {
        json_null(j, name);
        return;
    }
    begin(j, name);
    int n = snprintf(digits, sizeof digits, "%.9g", value);
    for (int i = 0; i < n; i++) /* the command never calls setlocale(), so this is for users of */
        if (digits[i] == ',')   /* these files that do                                          */
            digits[i] = '.';
    put(j, digits, (size_t)n);
}

void json_null(struct json *j, const char *name)
{
    begin(j, name);
    put(j, "null", 4);
}

void json_end(struct json *j)
{
    put(j, "\n", 1);
}

void json_free(struct json *j)
{
    free(j->text);
    *j = (struct json){0};
}
