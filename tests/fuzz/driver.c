/*
 * Runs a fuzz target without libFuzzer, with any compiler: each file of the corpus as it is, then seeded mutations of
 * them for some seconds. For the short run of the ordinary test suite.
 *
 * Usage: TARGET [-seconds=N] [-seed=N] FILE|FOLDER...; on a crash the input is in crash-TARGET in the current folder.
 */
#include "tests/fuzz/script.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_MAX = 4096, CORPUS_MAX = 4096 };

struct input {
    uint8_t *data;
    size_t size;
};

static struct input corpus[CORPUS_MAX];
static unsigned corpus_size;
static uint64_t state = 1;
/* The input that runs, in a file: it is still there when the process is not. */
static int current_fd;

static uint64_t random_number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void add_file(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) || corpus_size == CORPUS_MAX) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    struct input *input = &corpus[corpus_size++];
    input->data = malloc((size_t)st.st_size + 1);
    if (!input->data || read(fd, input->data, (size_t)st.st_size) != st.st_size)
        exit(1);
    input->size = (size_t)st.st_size;
    close(fd);
}

static void add(const char *path)
{
    DIR *folder = opendir(path);
    char name[4096];
    if (!folder) {
        add_file(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            add_file(name);
    }
    closedir(folder);
}

static void run(const uint8_t *data, size_t size)
{
    size_t kept = size < INPUT_MAX ? size : INPUT_MAX;
    if (ftruncate(current_fd, (off_t)kept) || pwrite(current_fd, data, kept, 0) != (ssize_t)kept)
        exit(1);
    uint8_t *exact = malloc(size + !size); /* so that reads beyond it are seen */
    if (!exact)
        exit(1);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

/* A corpus entry, or nothing, changed in a few places; pieces of another one put in. */
static void mutate(void)
{
    static uint8_t buffer[INPUT_MAX];
    static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe, 4, 8};
    const struct input *from = corpus_size ? &corpus[random_number() % corpus_size] : NULL;
    size_t size = from ? from->size < INPUT_MAX ? from->size : INPUT_MAX : 0;
    if (from)
        memcpy(buffer, from->data, size);
    if (!size || random_number() % 8 == 0) {
        size = 1 + random_number() % 256;
        for (size_t i = 0; i < size; i++)
            buffer[i] = (uint8_t)random_number();
    }
    for (unsigned n = 1 + random_number() % 8; n; n--) {
        size_t at = random_number() % size, more;
        switch (random_number() % 5) {
        case 0:
            buffer[at] = (uint8_t)random_number();
            break;
        case 1:
            buffer[at] ^= (uint8_t)(1 << random_number() % 8);
            break;
        case 2:
            buffer[at] = telling[random_number() % sizeof(telling)];
            break;
        case 3:
            size = at + 1;
            break;
        default:
            if (!corpus_size)
                break;
            from = &corpus[random_number() % corpus_size];
            more = from->size < INPUT_MAX - at ? from->size : INPUT_MAX - at;
            memcpy(buffer + at, from->data, more);
            size = at + more > size ? at + more : size;
        }
    }
    run(buffer, size);
}

int main(int argc, char *argv[])
{
    unsigned seconds = 4, runs = 0;
    char name[256];
    const char *program = strrchr(argv[0], '/');
    snprintf(name, sizeof(name), "crash-%s", program ? program + 1 : argv[0]);
    current_fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (current_fd < 0)
        return 1;
    for (int i = 1; i < argc; i++) {
        if (sscanf(argv[i], "-seconds=%u", &seconds) == 1)
            continue;
        unsigned long seed;
        if (sscanf(argv[i], "-seed=%lu", &seed) == 1)
            state = seed * 0x9e3779b97f4a7c15ull | 1;
        else
            add(argv[i]);
    }
    for (unsigned i = 0; i < corpus_size; i++, runs++)
        run(corpus[i].data, corpus[i].size);
    for (time_t end = time(NULL) + seconds; time(NULL) < end; runs++)
        mutate();
    printf("%s: %u inputs from a corpus of %u: nothing found\n", program ? program + 1 : argv[0], runs, corpus_size);
    unlink(name);
    for (unsigned i = 0; i < corpus_size; i++)
        free(corpus[i].data);
    return 0;
}
