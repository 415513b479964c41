/* Lists of KEY=VALUE: commas in values, keys without values, values without keys, and what is too long. */
#include "devices/machine/pairs.h"

#include <criterion/criterion.h>
#include <string.h>

static struct pairs pairs;

static void assert_next(const char *key, const char *value)
{
    cr_assert(pairs_next(&pairs));
    cr_assert_str_eq(pairs.key, key);
    cr_assert_str_eq(pairs.value, value);
}

Test(pairs, keys_and_values)
{
    pairs = (struct pairs){.rest = "file=a,,b=c,snapshot,id=,x=1"};
    assert_next("file", "a,b=c");
    assert_next("snapshot", "");
    assert_next("id", "");
    assert_next("x", "1");
    cr_assert(!pairs_next(&pairs));
}

Test(pairs, only_the_first_value_needs_no_key)
{
    pairs = (struct pairs){.rest = "a,,b,pc,accel=bt", .implied = "type"};
    assert_next("type", "a,b");
    assert_next("pc", "");
    assert_next("accel", "bt");
    pairs = (struct pairs){.rest = "accel=bt,pc", .implied = "type"};
    assert_next("accel", "bt");
    assert_next("pc", "");
    pairs = (struct pairs){.rest = "", .implied = "type"};
    cr_assert(!pairs_next(&pairs));
}

Test(pairs, what_is_too_long_is_cut)
{
    char text[3 * PAIRS_VALUE_MAX];
    memset(text, 'k', sizeof(text));
    memcpy(text + PAIRS_VALUE_MAX, "=", 1);
    text[sizeof(text) - 1] = 0;
    pairs = (struct pairs){.rest = text};
    cr_assert(pairs_next(&pairs));
    cr_assert_eq(strlen(pairs.key), PAIRS_KEY_MAX - 1);
    cr_assert_eq(strlen(pairs.value), PAIRS_VALUE_MAX - 1);
    cr_assert(!pairs_next(&pairs));
}

Test(pairs, switches)
{
    bool on;
    pairs = (struct pairs){.rest = "a,a=on,a=yes,a=true"};
    while (pairs_next(&pairs))
        cr_assert(pairs_switch(&pairs, &on) && on, "%s", pairs.value);
    pairs = (struct pairs){.rest = "a=off,a=no,a=false"};
    while (pairs_next(&pairs))
        cr_assert(pairs_switch(&pairs, &on) && !on, "%s", pairs.value);
    pairs = (struct pairs){.rest = "a=1"};
    cr_assert(pairs_next(&pairs) && !pairs_switch(&pairs, &on));
}
