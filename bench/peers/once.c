/*
 * once REPORT COMMAND [ARG...]: runs one command and writes "WALL CPU MEMORY STATUS" to REPORT.
 *
 * WALL and CPU are seconds, CPU that of the whole process tree that was waited for (user and system), MEMORY the KiB of
 * its largest process, STATUS the exit code, or 128 and the signal. It is a program of its own because a process
 * inherits the memory mark of the one that starts it: started from Python, everything would seem to take 20 MiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    double began = now();
    pid_t child = fork();
    if (child < 0)
        return 71;
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) != child)
        return 71;
    double wall = now() - began;
    FILE *report = fopen(argv[1], "w");
    if (!report)
        return 73;
    fprintf(report, "%.6f %.6f %ld %d\n", wall, seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss,
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return fclose(report) == 0 ? 0 : 74;
}
