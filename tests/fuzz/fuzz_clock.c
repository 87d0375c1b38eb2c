/* fuzz_clock: a time that is read is written and read again as the same; any microsecond is too. */
#include "fuzz.h"

#include "base/clock.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char text[64], written[CLOCK_TEXT_SIZE];
    int64_t us, again = 0;
    if (len >= sizeof text)
        return 0;
    if (len > 0)
        memcpy(text, bytes, len);
    text[len] = '\0';
    /* An offset can push a time of year 0 or 9999 out of the four digits that can be read. */
    if (clock_parse(text, &us)) {
        clock_format(us, written);
        bool has_plain_year = written[0] != '-' && written[0] != '+';
        HOLDS(!has_plain_year || (clock_parse(written, &again) && again == us));
    }
    if (len == sizeof us) {
        memcpy(&us, bytes, sizeof us);
        HOLDS(strlen(clock_format(us, written)) < sizeof written);
    }
    return 0;
}
