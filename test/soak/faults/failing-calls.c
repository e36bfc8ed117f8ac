/*
 * Makes every k-th call of one kind on the vault's files fail. For LD_PRELOAD.
 *
 * COFFER_FAIL_CALL   write, fsync or open
 * COFFER_FAIL_EVERY  k
 * COFFER_FAIL_ERRNO  the error's number
 * COFFER_FAIL_PART   what the path of a file must hold to be one of the vault's
 * COFFER_FAIL_COUNT  a file that grows by one byte for each call that was made to fail
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long calls;

static int is_ours(const char *path) {
  const char *part = getenv("COFFER_FAIL_PART");
  return part != NULL && path != NULL && strstr(path, part) != NULL;
}

static int fails(const char *call, const char *path) {
  const char *wanted = getenv("COFFER_FAIL_CALL");
  const char *every = getenv("COFFER_FAIL_EVERY");
  if (wanted == NULL || every == NULL || strcmp(wanted, call) != 0 || !is_ours(path)) return 0;
  if ((atomic_fetch_add(&calls, 1) + 1) % atol(every) != 0) return 0;
  const char *count = getenv("COFFER_FAIL_COUNT");
  if (count != NULL) {
    long fd = syscall(SYS_openat, AT_FDCWD, count, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
      syscall(SYS_write, fd, "x", 1);
      syscall(SYS_close, fd);
    }
  }
  const char *number = getenv("COFFER_FAIL_ERRNO");
  errno = number == NULL ? EIO : atoi(number);
  return 1;
}

static int fails_at(const char *call, int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return fails(call, path);
}

int fsync(int fd) { return fails_at("fsync", fd) ? -1 : (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return fails_at("fsync", fd) ? -1 : (int)syscall(SYS_fdatasync, fd); }

ssize_t write(int fd, const void *bytes, size_t size) {
  return fails_at("write", fd) ? -1 : syscall(SYS_write, fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  return fails_at("write", fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  return fails_at("write", fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, size, at);
}

#define OPENS(name)                                                    \
  int name(const char *path, int flags, ...) {                         \
    int mode = 0;                                                      \
    if (flags & (O_CREAT | O_TMPFILE)) {                               \
      va_list rest;                                                    \
      va_start(rest, flags);                                           \
      mode = va_arg(rest, int);                                        \
      va_end(rest);                                                    \
    }                                                                  \
    if (fails("open", path)) return -1;                                \
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);      \
  }
OPENS(open)
OPENS(open64)
