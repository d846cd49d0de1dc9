/* Try: change this comment, run again, and see which stages do not run. */
#include "greet.h"

#include <stdio.h>

#ifndef GREETING
#define GREETING "Hello"
#endif

size_t greet(char *out, size_t size, const char *name)
{
    int length = snprintf(out, size, "%s, %s!", GREETING, name);
    return length < 0 ? 0 : (size_t)length;
}
