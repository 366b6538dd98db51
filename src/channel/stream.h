/* stream.h - a connection over a socket; what is said on it is in wire.h. */
#ifndef CREW_CHANNEL_STREAM_H
#define CREW_CHANNEL_STREAM_H

#include "connection.h"
#include "wire.h"

/* Makes a connection of a socket on which both sides have greeted. 'local': over a path, so
 * descriptors may be sent along. It takes the socket; on failure that is still the caller's. 0;
 * -ENOMEM. */
int stream_open(crew_connection **connection, int fd, bool local,
                const struct wire_greeting *greeting, uint64_t limit);

#endif
