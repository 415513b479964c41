/* The terminal in the window: what it shows, answers and keeps, and that no bytes of a guest lead it out of its grid.
 */
#include "devices/core/cp437.h"
#include "frontend-sdl/terminal_view.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct terminal_view t;

static void start(void)
{
    terminal_view_init(&t);
}

static void say(const char *text)
{
    terminal_view_write(&t, (const uint8_t *)text, strlen(text));
}

/* A row of the screen as text, without the spaces at its end. */
static const char *row(unsigned n)
{
    static char text[TERMINAL_COLUMNS + 1];
    unsigned length = 0;
    for (unsigned i = 0; i < TERMINAL_COLUMNS; i++) {
        text[i] = (char)terminal_view_cell(&t, n, i).code;
        if (text[i] != ' ')
            length = i + 1;
    }
    text[length] = 0;
    return text;
}

TestSuite(terminal_view, .init = start, .timeout = 60);

Test(terminal_view, lines_and_columns)
{
    say("one\r\ntwo\tx\bY\rT");
    cr_assert_str_eq(row(0), "one");
    cr_assert_str_eq(row(1), "Two     Y");
    say("\33[5;10Hhere\33[Aup\33[2D!");
    cr_assert_str_eq(row(4), "         here");
    cr_assert_str_eq(row(3), "             !p");
}

Test(terminal_view, the_last_column_waits_before_it_wraps)
{
    say("\33[1;80HA\rB");
    cr_assert_eq(terminal_view_cell(&t, 0, 79).code, 'A');
    cr_assert_eq(terminal_view_cell(&t, 0, 0).code, 'B');
    say("\33[1;80HAB");
    cr_assert_str_eq(row(1), "B");
}

Test(terminal_view, erases_inserts_and_deletes)
{
    say("abcdef\33[1;3H\33[2P");
    cr_assert_str_eq(row(0), "abef");
    say("\33[2@");
    cr_assert_str_eq(row(0), "ab  ef");
    say("\33[1K");
    cr_assert_str_eq(row(0), "    ef");
    say("\33[2J");
    cr_assert_str_empty(row(0));
}

Test(terminal_view, a_region_scrolls_by_itself)
{
    say("1\r\n2\r\n3\r\n4\33[2;3r\33[3;1H\n");
    cr_assert_str_eq(row(0), "1");
    cr_assert_str_eq(row(1), "3");
    cr_assert_str_empty(row(2));
    cr_assert_str_eq(row(3), "4");
    say("\33[2;1H\33M");
    cr_assert_str_empty(row(1));
    cr_assert_str_eq(row(2), "3");
    cr_assert_eq(t.history, 0);
}

Test(terminal_view, what_left_the_screen_can_be_read_again)
{
    for (unsigned i = 0; i < TERMINAL_ROWS + 5; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%sline %u", i ? "\r\n" : "", i);
        say(text);
    }
    cr_assert_str_eq(row(0), "line 5");
    terminal_view_scroll(&t, 3);
    cr_assert_str_eq(row(0), "line 2");
    terminal_view_scroll(&t, 1000000);
    cr_assert_str_eq(row(0), "line 0");
    terminal_view_scroll(&t, -1000000);
    cr_assert_str_eq(row(0), "line 5");
}

Test(terminal_view, colours_are_vga_s)
{
    say("\33[31mr\33[1mR\33[7mV\33[0;94;43mb\33[38;5;200mx\33[mp");
    const uint8_t wanted[] = {0x04, 0x0c, 0xc0, 0x69, 0x69, 0x07};
    for (unsigned i = 0; i < sizeof(wanted); i++)
        cr_assert_eq(terminal_view_cell(&t, 0, i).attributes, wanted[i], "%u: %x", i,
                     terminal_view_cell(&t, 0, i).attributes);
}

Test(terminal_view, utf8_becomes_code_page_437)
{
    say("\xc3\xbc\xe2\x94\x80\xe2\x80\xa2\xe2\x80\x99\xf0\x9f\x98\x80\x80|");
    cr_assert_str_eq(row(0), "\x81\xc4\x07'??|");
    for (int code = 0x20; code < 0x100; code++)
        cr_assert_eq(cp437_from_unicode(cp437_to_unicode((uint8_t)code)), code);
    cr_assert_eq(cp437_from_unicode(0x20ac), -1);
}

Test(terminal_view, answers_where_the_cursor_is)
{
    say("\33[7;9H\33[6n");
    cr_assert_str_eq(t.answer, "\33[7;9R");
}

Test(terminal_view, titles_and_character_sets_show_nothing)
{
    say("\33]0;a title\a\33(B\33[?25lx");
    cr_assert_str_eq(row(0), "x");
    cr_assert(t.cursor_hidden);
}

/* Bytes that a hostile guest might send; the sanitizers look at every store. */
Test(terminal_view, no_bytes_lead_out_of_the_grid)
{
    static const char likely[] = "\33[0123456789;?ABCDGHJKLMPXdfhlmnrsu@78ME\n\r\t\bx\303";
    srandom(1);
    for (unsigned i = 0; i < 300000; i++) {
        uint8_t byte = random() % 8 ? (uint8_t)likely[random() % (sizeof(likely) - 1)] : (uint8_t)random();
        terminal_view_write(&t, &byte, 1);
        cr_assert(t.row < TERMINAL_ROWS && t.column < TERMINAL_COLUMNS && t.region_first < t.region_last &&
                  t.region_last < TERMINAL_ROWS && t.top < TERMINAL_HISTORY &&
                  t.history <= TERMINAL_HISTORY - TERMINAL_ROWS && memchr(t.answer, 0, sizeof(t.answer)));
        if (byte == 'm')
            terminal_view_scroll(&t, (int)(random() % 2001) - 1000);
        for (unsigned column = 0; column < TERMINAL_COLUMNS && byte == 'J'; column++)
            terminal_view_cell(&t, TERMINAL_ROWS - 1, column);
    }
}
