/* crew.c - what every part shares: the version and the sentences of the errors. */
#include <crew/base.h>

#include <string.h>

const char *crew_version(void)
{
    return CREW_VERSION;
}

const char *crew_strerror(int error)
{
    switch (error) {
    case 0:
        return "success";
#define SENTENCE(name, value, sentence) \
    case name:                          \
        return sentence;
        CREW_ERRORS(SENTENCE)
#undef SENTENCE
    default:
        break;
    }
    if (error < 0 && error > -4096) {
        const char *sentence = strerrordesc_np(-error);

        if (sentence)
            return sentence;
    }
    return "unknown error";
}
