/* Keys of the line editor, its history and its completion. */
#include "devices/machine/line_edit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct line_edit edit;
static char entered[8 * LINE_EDIT_MAX], shown[64 * LINE_EDIT_MAX];

static void send(void *context, const char *text)
{
    (void)context;
    size_t used = strlen(shown);
    snprintf(shown + used, sizeof(shown) - used, "%s", text);
}

static void on_line(void *context, const char *line)
{
    (void)context;
    size_t used = strlen(entered);
    snprintf(entered + used, sizeof(entered) - used, "[%s]", line);
}

static unsigned complete(void *context, const char *text, char words[][LINE_EDIT_WORD], unsigned max)
{
    static const char *const all[] = {"stop", "status", "sendkey"};
    const char *space = strrchr(text, ' '), *last = space ? space + 1 : text;
    unsigned found = 0;
    (void)context;
    for (unsigned i = 0; i < 3 && found < max; i++)
        if (!strncmp(all[i], last, strlen(last)))
            snprintf(words[found++], LINE_EDIT_WORD, "%s", all[i]);
    return found;
}

static void start(void)
{
    edit = (struct line_edit){.prompt = "> ", .send = send, .line = on_line, .complete = complete};
    line_edit_start(&edit);
}

static void end(void)
{
    line_edit_destroy(&edit);
}

TestSuite(line_edit, .init = start, .fini = end);

static void type(const char *keys)
{
    entered[0] = shown[0] = 0;
    while (*keys)
        line_edit_byte(&edit, *keys++);
}

static void expect(const char *keys, const char *lines)
{
    type(keys);
    cr_expect_str_eq(entered, lines, "%s", entered);
}

Test(line_edit, editing)
{
    expect("abc\r", "[abc]");
    expect("abc\b\x7fx\r", "[ax]");
    expect("bc\x01"
           "a\x05"
           "d\r",
           "[abcd]");
    expect("ac\x1b[Db\x1b[Cd\r", "[abcd]");
    expect("xabc\x1b[H\x1b[3~\r", "[abc]");
    expect("abc\x1bOH!\x1bOF?\r", "[!abc?]");
    expect("one two\x17three\r", "[one three]");
    expect("abc\x02\x02\x0b\r", "[a]");
    expect("abc\x02\x15\r", "[c]");
    expect("abc\x03"
           "d\r",
           "[d]");
    expect("abc\x02\x02\x04\x06!\r", "[ac!]");
    expect("\b\x7f\x1b[D\x1b[C\x1b[3~\x04\r", "[]");
    expect("\x1b[1;5Cx\x1b[99999999999Dy\r", "[xy]"); /* unknown sequences and endless ones vanish */
}

Test(line_edit, history)
{
    expect("one\rtwo\rtwo\r", "[one][two][two]");
    expect("\x1b[A\r", "[two]");
    expect("\x1b[A\x1b[A\r", "[one]");
    expect("\x10\x10\x0e!\r", "[one!]");
    expect("\x1b[B\x1b[Bnew\r", "[new]");
    for (unsigned i = 0; i < 3 * LINE_EDIT_HISTORY; i++) {
        char line[16];
        snprintf(line, sizeof(line), "%u\r", i);
        type(line);
    }
    for (unsigned i = 0; i < 2 * LINE_EDIT_HISTORY; i++)
        type("\x1b[A");
    expect("\r", "[100]");
}

Test(line_edit, completion)
{
    expect("se\t\r", "[sendkey ]");
    expect("s\tt\r", "[st]");
    cr_expect(strstr(shown, "stop  status  sendkey"), "%s", shown);
    expect("info sta\tx\r", "[info status x]");
    expect("nix\t\r", "[nix]");
}

Test(line_edit, a_line_too_long_is_cut)
{
    entered[0] = 0;
    for (unsigned i = 0; i < 3 * LINE_EDIT_MAX; i++)
        line_edit_byte(&edit, 'a');
    shown[0] = 0;
    line_edit_byte(&edit, '\r');
    cr_expect_eq(strlen(entered), LINE_EDIT_MAX - 1 + 2);
}

Test(line_edit, random_keys)
{
    uint64_t seed = 1;
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        unsigned key = seed >> 33 & 0xff;
        entered[0] = shown[0] = 0;
        line_edit_byte(&edit, (char)(key < 64 ? key : key < 80 ? 0x1b : key < 100 ? '[' : key));
        cr_assert(edit.cursor <= edit.length && edit.length < LINE_EDIT_MAX && !edit.text[edit.length]);
    }
}
