/* json.h - writes one JSON value into memory. Text is escaped; commas are put where they belong.
 *
 *     struct json j = {0};
 *     json_open(&j, NULL, '{');
 *     json_unsigned(&j, "count", 25);
 *     json_close(&j, '}');
 *     ... j.text, j.size ...
 *     json_free(&j);
 *
 * Numbers are decimal whatever the locale. When memory runs out, 'failed' is set and stays. */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
    char *text;
    size_t size, capacity;
    bool comma;  /* a value stands before the next one */
    bool failed;
};

/* 'name' is the member's name inside an object, NULL inside an array and at the top. */
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_string(struct json *json, const char *name, const char *value);
void json_unsigned(struct json *json, const char *name, uint64_t value);
void json_boolean(struct json *json, const char *name, bool value);

/* With nine significant digits; what is not finite becomes null. */
void json_real(struct json *json, const char *name, double value);
void json_null(struct json *json, const char *name);

/* The line end behind the whole value. */
void json_end(struct json *json);

void json_free(struct json *json);

#endif
