/* npy.h - the header of NumPy's array files (NEP 1), versions 1 to 3.
 *
 * Read strictly: a dict with exactly the keys 'descr', 'fortran_order' and 'shape', of Python literals,
 * in any order. Nothing in it is executed, and no number of it is believed before the file's size was
 * compared with it. As in NumPy, bytes behind the array are not looked at. */
#ifndef TOOLS_NPY_H
#define TOOLS_NPY_H

#include "samples.h"

#include <stdint.h>

struct npy {
    struct sample_format format;
    unsigned dimensions;      /* 1 or 2; the shape () is read as (1,)               */
    uint64_t rows, channels;  /* samples of a channel; channels is 1 of a 1-D array */
    bool fortran;             /* a channel's samples stand together                 */
    uint64_t data;            /* where they begin in the file                       */
};

/* NPY_COLUMNS: of an array without rows, which no size of a file vouches for. */
enum { NPY_MORE = 1, NPY_HEADER = 128, NPY_LONGEST = 1 << 20, NPY_COLUMNS = 1 << 20 };

/* Reads a header from the first 'size' bytes of a file that has 'file_size' in all (UINT64_MAX: not
 * known; then a reader of the data finds out). 0; NPY_MORE: *need bytes are needed, never more than the
 * file has nor than NPY_LONGEST and 12; -EINVAL with a sentence in 'why': not an array, objects,
 * structures, complex numbers, more than 2 dimensions, no columns, larger than the file. */
int npy_read(const unsigned char *bytes, size_t size, uint64_t file_size, struct npy *npy, size_t *need,
             char *why, size_t room);

/* Fills a header of NPY_HEADER bytes, version 1, in C order. 'descr' as in "<f8". 1 dimension: 'channels'
 * is not looked at. */
void npy_write(char header[NPY_HEADER], const char *descr, unsigned dimensions, uint64_t rows,
               uint64_t channels);

#endif
