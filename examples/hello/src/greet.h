/* A greeting for a name, as one line without its end. */
#ifndef GREET_H
#define GREET_H

#include <stddef.h>

/* Writes the greeting into `out`, cut to `size` bytes with the final zero, and returns its full length. */
size_t greet(char *out, size_t size, const char *name);

#endif
