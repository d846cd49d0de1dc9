/*
 * mk OUT [IN...]: the command of every stage in these benchmarks.
 *
 * Reads every IN in order, folds the bytes into a 64-bit FNV-1a hash and writes it to OUT as 16 hex digits and a line
 * end. The output depends on the contents of the inputs and on nothing else, so every runner must end with the same
 * bytes. Built static: the cost of starting it is the floor that all runners share.
 */
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#define OFFSET_BASIS UINT64_C(0xcbf29ce484222325)
#define PRIME UINT64_C(0x100000001b3)

static unsigned char buffer[1 << 16];

static int fold(const char *path, uint64_t *hash)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t count;
    while ((count = read(file, buffer, sizeof buffer)) > 0)
        for (ssize_t i = 0; i < count; i++)
            *hash = (*hash ^ buffer[i]) * PRIME;
    return close(file) != 0 || count < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    uint64_t hash = OFFSET_BASIS;
    for (int i = 2; i < argc; i++)
        if (fold(argv[i], &hash) != 0)
            return 3;

    char line[17];
    for (int i = 15; i >= 0; i--, hash >>= 4)
        line[i] = "0123456789abcdef"[hash & 15];
    line[16] = '\n';

    int out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (out < 0 || write(out, line, sizeof line) != (ssize_t)sizeof line || close(out) != 0)
        return 4;
    return 0;
}
