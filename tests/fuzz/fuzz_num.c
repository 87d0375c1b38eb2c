/* fuzz_num: what is read is written and read again as the same number; strtod agrees. */
#include "fuzz.h"

#include "base/num.h"

#include <math.h>
#include <string.h>

static void check_integers(const char *text, size_t len)
{
    char written[20];
    int64_t value, again = 0;
    uint64_t whole, whole_again = 0;
    if (num_parse_i64(text, len, &value)) {
        size_t written_len = num_format_i64(value, written);
        HOLDS(num_parse_i64(written, written_len, &again) && again == value);
    }
    if (num_parse_u64(text, len, &whole)) {
        size_t written_len = num_format_u64(whole, written);
        HOLDS(num_parse_u64(written, written_len, &whole_again) && whole_again == whole);
    }
}

static void check_format(double value)
{
    char written[32];
    double again = 0;
    size_t len = num_format_f64(value, written);
    HOLDS(len > 0 && len <= sizeof written && num_parse_f64(written, len, &again));
    HOLDS(isnan(value) ? isnan(again) : value == again && !signbit(value) == !signbit(again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char text[128];
    double value, plain;
    if (len >= sizeof text)
        return 0;
    if (len > 0)
        memcpy(text, bytes, len);
    text[len] = '\0';
    check_integers(text, len);
    if (num_parse_f64(text, len, &value)) {
        plain = strtod(text, NULL);
        HOLDS(isnan(value) ? isnan(plain) : value == plain);
        check_format(value);
    }
    if (len == sizeof value) {
        memcpy(&value, bytes, sizeof value);
        check_format(value);
    }
    return 0;
}
