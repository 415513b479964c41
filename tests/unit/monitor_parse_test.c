/* The human monitor's words, formats and expressions. */
#include "devices/machine/monitor_parse.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct error err;

static bool registers(void *context, const char *name, uint64_t *value)
{
    (void)context;
    *value = !strcmp(name, "rip") ? 0x1000 : 0x10;
    return !strcmp(name, "rip") || !strcmp(name, "cs.base");
}

static uint64_t value_of(const char *text)
{
    uint64_t value;
    cr_assert_eq(monitor_expression(&text, registers, NULL, &value, &err), 0, "%s", err.text);
    return value;
}

static void refused(const char *text, const char *why)
{
    uint64_t value;
    cr_assert_eq(monitor_expression(&text, registers, NULL, &value, &err), -EINVAL, "%s", text);
    cr_assert(strstr(err.text, why), "%s", err.text);
}

Test(expression, values)
{
    cr_expect_eq(value_of("12"), 12);
    cr_expect_eq(value_of(" 0x1F + 010"), 0x1f + 8);
    cr_expect_eq(value_of("2+3*4"), 14);
    cr_expect_eq(value_of("(2 + 3) * 4 % 7"), 6);
    cr_expect_eq(value_of("10-2-3"), 5);
    cr_expect_eq(value_of("1 + 6 & 3"), 3, "& binds tighter than +, as in QEMU");
    cr_expect_eq(value_of("0xf0 ^ 0xff | 0x100"), 0x10f);
    cr_expect_eq(value_of("-1"), UINT64_MAX);
    cr_expect_eq(value_of("~0 / 2"), INT64_MAX);
    cr_expect_eq(value_of("'A'"), 65);
    cr_expect_eq(value_of("$rip + $cs.base*2"), 0x1020);
}

Test(expression, refusals)
{
    char deep[300];
    refused("", "unexpected end");
    refused("1+", "unexpected end");
    refused("(1", "')' expected");
    refused("1/0", "division by zero");
    refused("1%0", "division by zero");
    refused("$nix", "unknown register $nix");
    refused("12ab", "invalid char");
    refused("#", "invalid char '#'");
    refused("0x1ffffffffffffffff", "too large");
    refused("'A", "character");
    memset(deep, '(', sizeof(deep));
    deep[sizeof(deep) - 1] = 0;
    refused(deep, "too deep");
}

Test(expression, ends_where_it_ends)
{
    const char *text = "1 + 2 0x20";
    uint64_t value;
    cr_assert_eq(monitor_expression(&text, registers, NULL, &value, &err), 0);
    cr_expect_eq(value, 3);
    cr_expect_str_eq(text, "0x20");
}

static struct monitor_args args;

static int parse(const char *specification, const char *line)
{
    return monitor_parse_args(specification, line, registers, NULL, &args, &err);
}

Test(arguments, format_and_expression)
{
    cr_assert_eq(parse("fmt:/ addr:e", "/20xw $rip + 4"), 0, "%s", err.text);
    cr_expect_eq(args.arg[0].format.count, 20);
    cr_expect_eq(args.arg[0].format.format, 'x');
    cr_expect_eq(args.arg[0].format.size, 4);
    cr_expect_eq(args.arg[1].value, 0x1004);
    cr_assert_eq(parse("fmt:/ addr:e", "1"), 0);
    cr_expect_not(args.arg[0].given);
    cr_expect_eq(args.arg[0].format.count, 1);
    cr_expect_eq(parse("fmt:/ addr:e", "/0x 1"), -EINVAL);
    cr_expect_eq(parse("fmt:/ addr:e", "/z 1"), -EINVAL);
    cr_expect_eq(parse("fmt:/ addr:e", "/99999999999999999999x 1"), -EINVAL);
}

Test(arguments, words)
{
    cr_assert_eq(parse("f:- device:s file:f form:s?", "-f ide0 \"a \\\"b\\\" c\""), 0, "%s", err.text);
    cr_expect(args.arg[0].given);
    cr_expect_str_eq(args.arg[1].text, "ide0");
    cr_expect_str_eq(args.arg[2].text, "a \"b\" c");
    cr_expect_not(args.arg[3].given);
    cr_assert_eq(parse("file:f f:o", "x.png -f png"), 0);
    cr_expect_str_eq(args.arg[1].text, "png");
    cr_assert_eq(parse("text:t", "  all  of it "), 0);
    cr_expect_str_eq(args.arg[0].text, "all  of it ");
    cr_expect_eq(parse("a:s", ""), -EINVAL);
    cr_expect_eq(parse("a:s", "\"open"), -EINVAL);
    cr_expect_eq(parse("", "more"), -EINVAL);
    cr_expect(strstr(err.text, "more"));
}

Test(arguments, description)
{
    char text[100];
    monitor_describe_args("fmt:/ addr:e", text, sizeof(text));
    cr_expect_str_eq(text, "/fmt addr");
    monitor_describe_args("f:- device:s what:s?", text, sizeof(text));
    cr_expect_str_eq(text, "[-f] device [what]");
    monitor_describe_args("f:- device:s what:s?", text, 8);
    cr_expect_eq(strlen(text), 7);
}
