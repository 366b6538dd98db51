/* replay.c - FOLDER: gives each of its files to a fuzz target, without libFuzzer; prints TAP. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int replay(const char *folder, const char *name)
{
    char path[4096];
    unsigned char *data;
    long size;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0)
        return -1;
    rewind(f);
    data = malloc((size_t)size); /* no byte more, for the sanitizer's sake */
    if ((!data && size > 0) || fread(data, 1, (size_t)size, f) != (size_t)size)
        return -1;
    fclose(f);
    fprintf(stderr, "%s\n", path); /* the last one is the one that aborts */
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    int files = 0, unread = 0;

    if (!folder)
        return 2;
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        files++;
        unread += replay(argv[1], entry->d_name) < 0;
    }
    closedir(folder);
    printf("1..1\n%s 1 - the corpus holds what the target claims # %d files\n",
           files > 0 && unread == 0 ? "ok" : "not ok", files);
    return 0;
}
