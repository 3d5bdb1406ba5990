/* Preloaded into the daemon by test_powercut.py: keeps, for every file below RECORD_ROOTS (separated by ':'), a
 * copy of what it held when its last completed sync began. That is what a power cut must leave; everything written
 * since may be there or not.
 *
 *   RECORD_INTO/<dev>.<inode>.<generation>        the content as of the last completed fdatasync or fsync
 *   RECORD_INTO/<dev>.<inode>.<generation>.dir    a directory: its names as of the last completed fsync
 *
 * A copy is taken before the real call and counts only when that has returned; an older copy never replaces a newer
 * one (syncs of one file may overlap).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static unsigned long next_ticket = 1;
static struct { dev_t dev; ino_t ino; long generation; unsigned long ticket; } newest[4096];
static int newest_count;

static int watched(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    const char *roots = getenv("RECORD_ROOTS");
    while (roots && *roots) {
        size_t size = strcspn(roots, ":");
        if (size && strncmp(path, roots, size) == 0) return 1;
        roots += size + (roots[size] == ':');
    }
    return 0;
}

/* Copies data only, keeping holes. */
static void copy_file(const char *path, int to, off_t size) {
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) from = -1;
    static __thread char buffer[1 << 16];
    off_t at = 0;
    while (from >= 0 && at < size) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 || data >= size) break;
        off_t hole = lseek(from, data, SEEK_HOLE);
        if (hole > size || hole < 0) hole = size;
        for (at = data; at < hole;) {
            size_t step = hole - at < (off_t)sizeof buffer ? (size_t)(hole - at) : sizeof buffer;
            ssize_t got = pread(from, buffer, step, at);
            if (got <= 0) { at = hole; break; }
            if (pwrite(to, buffer, got, at) != got) abort();
            at += got;
        }
    }
    if (ftruncate(to, size) != 0) abort();
    if (from >= 0) close(from);
}

static void copy_names(const char *path, int to) {
    DIR *directory = opendir(path);
    if (!directory) return;
    for (struct dirent *entry; (entry = readdir(directory));) dprintf(to, "%s\n", entry->d_name);
    closedir(directory);
}

static int recorded(int fd, int (*real)(int)) {
    char path[PATH_MAX], temporary[PATH_MAX], final[PATH_MAX];
    struct stat found;
    const char *into = getenv("RECORD_INTO");
    if (!into || !watched(fd, path) || fstat(fd, &found) != 0) return real(fd);
    int is_directory = S_ISDIR(found.st_mode);
    pthread_mutex_lock(&guard);
    unsigned long ticket = next_ticket++;
    pthread_mutex_unlock(&guard);
    snprintf(temporary, sizeof temporary, "%s/tmp.%lu.%d", into, ticket, (int)getpid());
    long generation = 0; /* inode numbers are used again */
    if (ioctl(fd, FS_IOC_GETVERSION, &generation) != 0) generation = 0;
    generation &= 0xffffffffL;
    snprintf(final, sizeof final, "%s/%lu.%lu.%ld%s", into, (unsigned long)found.st_dev,
             (unsigned long)found.st_ino, generation, is_directory ? ".dir" : "");
    int to = open(temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (to < 0) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (is_directory) copy_names(path, to); else copy_file(path, to, found.st_size);
    close(to);
    int result = real(fd);
    int saved = errno;
    pthread_mutex_lock(&guard);
    int at = 0;
    while (at < newest_count && (newest[at].dev != found.st_dev || newest[at].ino != found.st_ino ||
                                 newest[at].generation != generation))
        ++at;
    if (at == 4096) abort();
    if (at == newest_count) ++newest_count, newest[at].ticket = 0;
    if (result == 0 && newest[at].ticket < ticket) {
        newest[at].dev = found.st_dev, newest[at].ino = found.st_ino, newest[at].generation = generation;
        newest[at].ticket = ticket;
        if (rename(temporary, final) != 0) abort();
    } else {
        unlink(temporary);
    }
    pthread_mutex_unlock(&guard);
    errno = saved;
    return result;
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return recorded(fd, real);
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return recorded(fd, real);
}
