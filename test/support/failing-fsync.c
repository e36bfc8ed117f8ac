/* Makes every sync of a file fail with EIO while the file that COFFER_FAIL_FSYNC names exists. For LD_PRELOAD. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(void) {
  const char *path = getenv("COFFER_FAIL_FSYNC");
  return path != NULL && access(path, F_OK) == 0;
}

static int synced(long call, int fd) {
  if (fails()) {
    errno = EIO;
    return -1;
  }
  return (int)syscall(call, fd);
}

int fsync(int fd) { return synced(SYS_fsync, fd); }
int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }
