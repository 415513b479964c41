/* The command line: what it accepts, what it refuses, and that refusals say how to mend it. */
#include "devices/machine/options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

static struct machine_options options;
static struct error err;

/* Parses a command line of at most 15 words, null-terminated. */
static int parse(const char *first, ...)
{
    char *argv[17] = {(char *)"ring3", (char *)first};
    int argc = 2;
    va_list args;

    va_start(args, first);
    while (argc < 16 && (argv[argc] = va_arg(args, char *)))
        argc++;
    va_end(args);
    err.text[0] = 0;
    return options_parse(argc, argv, &options, &err);
}

#define PARSE(...)   parse(__VA_ARGS__, (char *)NULL)
#define BOOT(...)    parse("-kernel", "k", __VA_ARGS__, (char *)NULL)
#define REFUSED(...) cr_assert_eq(BOOT(__VA_ARGS__), -EINVAL)
#define SAYS(what)   cr_assert(strstr(err.text, what), "%s", err.text)

Test(options, defaults)
{
    cr_assert_eq(PARSE("-kernel", "k"), 0, "%s", err.text);
    cr_assert_eq(options.action, OPTIONS_RUN);
    cr_assert_eq(options.ram_bytes, 512ull << 20);
    cr_assert_str_eq(options.accel, "bt");
    cr_assert_str_eq(options.cpu, "max");
    cr_assert_null(options.initrd);
    cr_assert_not(options.no_reboot);
}

Test(options, engines)
{
    cr_assert_eq(BOOT("-accel", "verify"), 0, "%s", err.text);
    cr_assert_str_eq(options.accel, "verify");
    cr_assert_eq(BOOT("-accel", "bt,chaos=7,tb-size=2"), 0, "%s", err.text);
    cr_assert_eq(options.chaos, 7);
    cr_assert_eq(options.cache_bytes, 2ull << 20);
    REFUSED("-accel", "bt,chaos=0");
    SAYS("seed");
    REFUSED("-accel", "bt,chaos=x");
}

Test(options, memory_sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"512", 512ull << 20},
                {"512M", 512ull << 20},
                {"2G", 2ull << 30},
                {"65536k", 64ull << 20},
                {"size=1g", 1ull << 30}};
    static const char *const bad[] = {
        "0", "1", "3T", "abc", "", "-1", "12X", "99999999999999999999", "18446744073709551615T", "1.5G", "64G1"};

    for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
        cr_assert_eq(BOOT("-m", good[i].text), 0, "%s", err.text);
        cr_assert_eq(options.ram_bytes, good[i].bytes, "%s", good[i].text);
    }
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        REFUSED("-m", bad[i]);
        SAYS("-m ");
    }
}

Test(options, dashes_and_aliases)
{
    cr_assert_eq(BOOT("--append", "a b", "-no-reboot", "--nographic", "-M", "pc"), 0, "%s", err.text);
    cr_assert_str_eq(options.append, "a b");
    cr_assert(options.no_reboot && options.nographic);
}

Test(options, unknown_names_the_nearest)
{
    REFUSED("-inird", "x");
    SAYS("-initrd");
    REFUSED("-noreboot");
    SAYS("-no-reboot");
    REFUSED("-averylongoptionthatnobodyhaseverwrittenanywhere");
    REFUSED("-");
    cr_assert_eq(PARSE("disk.img"), 0); /* an image by itself: the first disk */
    cr_assert_str_eq(options.drives.drive[0].path, "disk.img");
}

Test(options, missing_argument_and_kernel)
{
    REFUSED("-append");
    SAYS("-append TEXT");
    cr_assert_eq(PARSE("-append", "quiet"), -EINVAL);
    SAYS("-kernel FILE");
    cr_assert_eq(PARSE("-m", "64"), 0); /* firmware boots */
}

Test(options, questions_are_answered_without_a_kernel)
{
    cr_assert_eq(PARSE("-help"), 0);
    cr_assert_eq(options.action, OPTIONS_HELP);
    cr_assert_eq(PARSE("--version"), 0);
    cr_assert_eq(options.action, OPTIONS_VERSION);
    cr_assert_eq(PARSE("-cpu", "help"), 0);
    cr_assert_eq(options.action, OPTIONS_CPU_HELP);
    cr_assert_eq(PARSE("-accel", "help"), 0);
    cr_assert_eq(options.action, OPTIONS_ACCEL_HELP);
    cr_assert_eq(PARSE("-d", "help"), 0);
    cr_assert_eq(options.action, OPTIONS_LOG_HELP);
    cr_assert_eq(PARSE("-machine", "help"), 0);
    cr_assert_eq(options.action, OPTIONS_MACHINE_HELP);
}

Test(options, accel)
{
    cr_assert_eq(BOOT("-accel", "interp"), 0);
    cr_assert_str_eq(options.accel, "interp");
    cr_assert_eq(BOOT("-accel", "bt,tb-size=32"), 0, "%s", err.text);
    cr_assert_eq(options.cache_bytes, 32u << 20);
    REFUSED("-accel", "kvm");
    SAYS("not built yet");
    REFUSED("-accel", "tcg");
    REFUSED("-accel", "bt,tb-size=0");
    REFUSED("-accel", "bt,colour=red");
}

Test(options, debug_exit)
{
    cr_assert_eq(BOOT("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"), 0, "%s", err.text);
    cr_assert(options.debug_exit);
    cr_assert_eq(options.debug_exit_base, 0xf4);
    cr_assert_eq(options.debug_exit_size, 4);
    REFUSED("-device", "isa-debug-exit,iobase=0x10000");
    REFUSED("-device", "isa-debug-exit,iosize=0");
    REFUSED("-device", "isa-debug-exit,iobase=0xffff,iosize=2");
    REFUSED("-device", "e1000");
    SAYS("isa-debug-exit");
}

Test(options, consoles_by_name)
{
    cr_assert_eq(BOOT("-serial", "chardev:a", "-chardev", "socket,id=a,path=/x,server=on,wait=off", "-device",
                      "isa-debugcon,iobase=0x402,chardev=b", "-chardev", "file,path=/y,,z,id=b"),
                 0, "%s", err.text);
    cr_assert_str_eq(options.serial[0], "unix:/x,server=on,wait=off");
    cr_assert_str_eq(options.debugcon, "file:/y,z");
    cr_assert_eq(options.debugcon_base, 0x402);
    cr_assert_eq(BOOT("-monitor", "chardev:m", "-chardev", "socket,host=::1,port=99,id=m"), 0, "%s", err.text);
    cr_assert_str_eq(options.monitor[0].where, "tcp:::1:99");
    cr_assert_eq(BOOT("-chardev", "stdio,mux=on,id=s", "-serial", "chardev:s"), 0);
    cr_assert_str_eq(options.serial[0], "mon:stdio");
    cr_assert_eq(BOOT("-debugcon", "stdio", "-global", "isa-debugcon.iobase=0x402"), 0);
    cr_assert_eq(options.debugcon_base, 0x402);
    cr_assert_str_eq(options.debugcon, "stdio");
    cr_assert_eq(BOOT("-debugcon", "stdio"), 0);
    cr_assert_eq(options.debugcon_base, 0xe9);
    REFUSED("-serial", "chardev:nobody");
    SAYS("id=nobody");
    REFUSED("-chardev", "null");
    SAYS("id=ID");
    REFUSED("-chardev", "spicevmc,id=x");
    SAYS("socket,path=PATH");
    REFUSED("-chardev", "file,id=x");
    REFUSED("-chardev", "null,id=x,colour=red");
    REFUSED("-device", "isa-debugcon");
    SAYS("chardev=ID");
    REFUSED("-device", "isa-debugcon,colour=red");
}

Test(options, drives_by_name)
{
    cr_assert_eq(PARSE("-device", "ide-cd,drive=c,bus=ide.0,unit=1,bootindex=0", "-drive", "if=none,id=c,file=c.iso"),
                 0, "%s", err.text);
    cr_assert_eq(options.drives.drive[0].index, 1);
    cr_assert(options.drives.drive[0].cdrom);
    cr_assert_eq(options.drives.drive[0].boot_index, 0);
    cr_assert_eq(PARSE("-device", "ide-hd,drive=c,unit=2"), -EINVAL);
    SAYS("unit=2");
    cr_assert_eq(PARSE("-device", "ide-hd,drive=c,colour=red"), -EINVAL);
    SAYS("bootindex=N");
    cr_assert_eq(PARSE("-device", "ide-hd,drive=c"), -EINVAL);
    SAYS("id=c");
}

Test(options, rtc)
{
    cr_assert_eq(BOOT("-rtc", "base=2026-01-31T12:00:00"), 0, "%s", err.text);
    cr_assert_eq(options.rtc_base, RTC_DATE);
    cr_assert_eq(options.rtc_epoch, 1769860800);
    cr_assert_eq(BOOT("-rtc", "base=localtime"), 0);
    cr_assert_eq(options.rtc_base, RTC_LOCALTIME);
    REFUSED("-rtc", "base=tomorrow");
    REFUSED("-rtc", "clock=vm");
}

Test(options, serial_ports_are_two)
{
    cr_assert_eq(BOOT("-serial", "mon:stdio", "-serial", "file:x"), 0);
    cr_assert_eq(options.serials, 2);
    REFUSED("-serial", "null", "-serial", "null", "-serial", "null");
}

Test(options, monitors)
{
    cr_assert_eq(BOOT("-monitor", "none", "-qmp", "stdio", "-monitor", "unix:p,server=on,wait=off"), 0);
    cr_assert_eq(options.monitors, 2);
    cr_assert(options.monitor[0].qmp);
    cr_assert_str_eq(options.monitor[0].where, "stdio");
    cr_assert_not(options.monitor[1].qmp);
    REFUSED("-qmp", "a", "-qmp", "b", "-qmp", "c", "-qmp", "d", "-qmp", "e");
    SAYS("at most 4");
}

Test(options, monitors_at_character_devices)
{
    cr_assert_eq(BOOT("-mon", "chardev=q,mode=control", "-chardev", "socket,id=q,path=p,server=on,wait=off", "-mon",
                      "h,mode=readline", "-chardev", "stdio,id=h"),
                 0);
    cr_assert_eq(options.monitors, 2);
    cr_assert(options.monitor[0].qmp);
    cr_assert_str_eq(options.monitor[0].where, "unix:p,server=on,wait=off");
    cr_assert_not(options.monitor[1].qmp);
    cr_assert_str_eq(options.monitor[1].where, "stdio");
    REFUSED("-mon", "chardev=nobody");
    SAYS("no -chardev has this id");
    REFUSED("-mon", "mode=control");
    SAYS("add chardev=ID");
    REFUSED("-mon", "chardev=q,mode=other");
    SAYS("mode=readline");
}

Test(options, no_defaults)
{
    cr_assert_eq(BOOT("-nodefaults", "-nic", "none", "-net", "none", "-parallel", "none", "-no-user-config"), 0);
    cr_assert(options.no_vga && options.drives.no_empty && options.monitor_given);
    cr_assert_str_eq(options.serial[0], "none");
    cr_assert_eq(BOOT("-nodefaults", "-vga", "std", "-serial", "null"), 0);
    cr_assert_not(options.no_vga);
    cr_assert_str_eq(options.serial[0], "null");
    REFUSED("-nic", "user");
    SAYS("write none");
}

Test(options, what_is_not_there_says_so)
{
    REFUSED("-smp", "2");
    REFUSED("-machine", "q35");
    SAYS("pc");
    REFUSED("-display", "gtk");
    REFUSED("-vga", "cirrus");
    SAYS("std and none");
    cr_assert_eq(BOOT("-vga", "none"), 0);
    cr_assert(options.no_vga);
    cr_assert_eq(BOOT("-global", "VGA.mmio=on"), 0);
    cr_assert(options.vga_mmio);
    REFUSED("-global", "VGA.edid=off");
    SAYS("VGA.mmio");
    cr_assert_eq(BOOT("-global", "VGA.xres=1920", "-global", "VGA.yres=1080"), 0);
    cr_assert_eq(options.vga_width, 1920);
    cr_assert_eq(options.vga_height, 1080);
    REFUSED("-global", "VGA.xres=1921");
    SAYS("multiple of 8");
    REFUSED("-global", "VGA.yres=4000");
    SAYS("1600");
    REFUSED("-uuid", "1234");
    SAYS("550e8400");
    cr_assert_eq(BOOT("-uuid", "00112233-4455-6677-8899-aabbccddeeff", "-smbios", "type=1,serial=7"), 0);
    cr_assert_str_eq(options.smbios.text[SMBIOS_SYSTEM_SERIAL], "7");
    cr_assert_eq(BOOT("-smp", "1", "-monitor", "none", "-display", "none"), 0);
}

Test(options, boot_order)
{
    cr_assert_eq(PARSE("-m", "64"), 0);
    cr_assert_str_eq(options.boot_order, "cad");
    cr_assert_lt(options.boot_menu_wait, 0);
    cr_assert_eq(PARSE("-boot", "d"), 0);
    cr_assert_str_eq(options.boot_order, "d");
    cr_assert_eq(PARSE("-boot", "order=ac,once=d,menu=on,splash-time=500"), 0);
    cr_assert_str_eq(options.boot_order, "ac");
    cr_assert_str_eq(options.boot_once, "d");
    cr_assert(options.boot_menu);
    cr_assert_eq(options.boot_menu_wait, 500);
    REFUSED("-boot", "aa");
    REFUSED("-boot", "order=acdn");
    REFUSED("-boot", "splash-time=-1");
    REFUSED("-boot", "menu=1");
}

Test(options, machine_names_the_engine_too)
{
    cr_assert_eq(BOOT("-machine", "pc,accel=interp"), 0, "%s", err.text);
    cr_assert_str_eq(options.accel, "interp");
    cr_assert_eq(BOOT("-M", "accel=kvm:tcg:verify,type=pc,usb=off,dump-guest-core=on,hpet=on,acpi=auto"), 0, "%s",
                 err.text);
    cr_assert_str_eq(options.accel, "verify");
    cr_assert_eq(BOOT("-accel", "accel=bt,tb-size=64"), 0, "%s", err.text);
    cr_assert_eq(options.cache_bytes, 64 << 20);
    REFUSED("-machine", "pc,accel=tcg");
    SAYS("bt (translates), interp (interprets) and verify");
    REFUSED("-accel", "tcg,thread=multi");
    SAYS("-accel tcg,thread=multi: no such engine 'tcg'; there are bt");
    REFUSED("-machine", "accel=");
    REFUSED("-machine", "pc,accel=bt", "-accel", "bt");
    SAYS("drop one");
    REFUSED("-machine", "pc,usb=on");
    SAYS("usb=off always");
    REFUSED("-machine", "pc,colour=red");
    SAYS("'colour'; there are type=pc, accel=ENGINE and vmport=on|off");
    cr_assert_eq(BOOT("-machine", "pc,vmport=off"), 0, "%s", err.text);
    cr_assert(options.no_vmport);
    cr_assert_eq(BOOT("-machine", "pc,vmport=auto"), 0, "%s", err.text);
    cr_assert_not(options.no_vmport);
    REFUSED("-machine", "pc,vmport=maybe");
    cr_assert_eq(BOOT("-smp", "1,sockets=1,cores=1,threads=1,maxcpus=1"), 0, "%s", err.text);
    REFUSED("-smp", "1,cores=2");
    cr_assert_eq(BOOT("-boot", "menu=on,order=dc,strict"), 0, "%s", err.text);
    cr_assert(options.boot_menu && options.boot_strict && !strcmp(options.boot_order, "dc"));
    REFUSED("-boot", "");
}
