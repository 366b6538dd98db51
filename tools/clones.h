/* clones.h - CREW_CLONES before a function: it is compiled once for each level of x86-64, and the
 * best one that the CPU knows is chosen when the program starts. So one binary serves all.
 *
 * On other machines, and under ThreadSanitizer (which is not ready when the choice is made), it is
 * compiled once: meson.build then defines CREW_NO_CLONES. */
#ifndef CLONES_H
#define CLONES_H

#ifdef CREW_NO_CLONES
#define CREW_CLONES
#else
#define CREW_CLONES \
    __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#endif

#endif
