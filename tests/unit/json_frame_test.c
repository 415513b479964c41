/* Cutting a stream into JSON values: whole, in pieces, several at once, and garbage. */
#include "devices/machine/json_frame.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct json_frame frame;

static void destroy(void)
{
    json_frame_destroy(&frame);
}

TestSuite(json_frame, .fini = destroy);

/* Values and errors ("!") that come out, each followed by a space. */
static const char *feed(const char *bytes, size_t count)
{
    static char out[1024];
    size_t used = 0;

    out[0] = 0;
    for (size_t i = 0; i < count; i++) {
        switch (json_frame_byte(&frame, bytes[i])) {
        case JSON_FRAME_VALUE:
            used += (size_t)snprintf(out + used, sizeof(out) - used, "%.*s ", (int)frame.length, frame.text);
            break;
        case JSON_FRAME_ERROR:
            used += (size_t)snprintf(out + used, sizeof(out) - used, "! ");
            break;
        case JSON_FRAME_MORE:
            break;
        }
    }
    return out;
}

#define FEED(text) feed(text, sizeof(text) - 1)

Test(json_frame, whole_values)
{
    cr_expect_str_eq(FEED("{\"a\": [1, {}]}\r\n"), "{\"a\": [1, {}]} ");
    cr_expect_str_eq(FEED("{}{}\n[]"), "{} {} [] ");
    cr_expect_str_eq(FEED(" 12 true\n\"s\" "), "12 true \"s\" ");
}

Test(json_frame, pieces)
{
    cr_expect_str_eq(FEED("{\"a\":"), "");
    cr_expect_str_eq(FEED("\"}\\\""), "");
    cr_expect_str_eq(FEED("\"}"), "{\"a\":\"}\\\"\"} ");
}

Test(json_frame, single_quotes)
{
    cr_expect_str_eq(FEED("{'a': 'it\\'s \"x\"'}"), "{\"a\": \"it's \\\"x\\\"\"} ");
}

Test(json_frame, garbage_is_one_error_a_line)
{
    cr_expect_str_eq(FEED("}}}} and more\n{}"), "! {} ");
    cr_expect_str_eq(FEED("\x01\n{}"), "! {} ");
    cr_expect_str_eq(FEED("{\"open\n{}"), "! {} ");
    cr_expect_str_eq(FEED("\xff\n{}"), "! {} ");
    cr_expect_str_eq(FEED("{\xff\n{}"), "! {} ");
    cr_expect_str_eq(FEED("{\0\n{}"), "! {} ");
}

Test(json_frame, depth_and_length_are_bounded)
{
    unsigned errors = 0;
    for (unsigned i = 0; i < 3 * JSON_FRAME_DEPTH; i++)
        errors += json_frame_byte(&frame, '[') == JSON_FRAME_ERROR;
    cr_expect_eq(errors, 1);
    json_frame_byte(&frame, '\n');
    json_frame_byte(&frame, '"');
    errors = 0;
    for (unsigned i = 0; i < 2 * JSON_FRAME_MAX; i++)
        errors += json_frame_byte(&frame, 'x') == JSON_FRAME_ERROR;
    cr_expect_eq(errors, 1);
    cr_expect_str_eq(FEED("\n{}"), "{} ");
}

Test(json_frame, random_bytes)
{
    static const char bytes[] = "{}[]\"'\\,:1a \n\xff";
    uint64_t seed = 1;
    for (unsigned i = 0; i < 300000; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        json_frame_byte(&frame, bytes[(seed >> 33) % (sizeof(bytes) - 1)]);
    }
}
