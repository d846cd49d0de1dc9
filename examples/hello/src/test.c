/* Checks greet() and writes one line per check to the file that is named as the only argument. */
#include "greet.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void check(FILE *report, const char *what, int holds)
{
    fprintf(report, "%s %s\n", holds ? "ok  " : "FAIL", what);
    if (!holds) {
        fprintf(stderr, "test: %s: does not hold\n", what);
        failures++;
    }
}

int main(int argc, char **argv)
{
    FILE *report = argc == 2 ? fopen(argv[1], "w") : NULL;
    if (report == NULL) {
        fputs("usage: test REPORT\n", stderr);
        return 2;
    }

    char line[64];
    size_t length = greet(line, sizeof line, "Ada");
    check(report, "the greeting names the person", strcmp(line, "Hello, Ada!") == 0);
    check(report, "the length is that of the whole greeting", length == 11);

    char small[4];
    length = greet(small, sizeof small, "Ada");
    check(report, "a small buffer gets the beginning", strcmp(small, "Hel") == 0);
    check(report, "a small buffer does not change the length", length == 11);

    if (fclose(report) != 0)
        return 2;
    return failures != 0;
}
