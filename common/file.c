/* SPDX-License-Identifier: Apache-2.0 */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

static bool failed(struct err *err, const char *path)
{
    err_set(err, errno == ENOENT ? ERR_INPUT : ERR_RETRY, "%s: %s", path,
            strerror(errno));
    return false;
}

static bool refused(struct err *err, const char *path, const char *why)
{
    err_set(err, ERR_INPUT, "%s: %s", path, why);
    return false;
}

static bool descriptor_read(int fd, const char *path, size_t max,
                            struct buf *out, struct err *err)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0)
        return failed(err, path);
    if (!S_ISREG(st.st_mode))
        return refused(err, path, "is no file");
    for (size_t before = out->n;;) {
        n = read(fd, buf_reserve(out, READ_BYTES), READ_BYTES);
        if (n < 0)
            return failed(err, path);
        if (n == 0)
            return true;
        out->n += (size_t)n;
        if (out->n - before > max)
            return refused(err, path, "is too large");
    }
}

bool file_read(const char *path, size_t max, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return failed(err, path);
    bool good = descriptor_read(fd, path, max, out, err);
    close(fd);
    return good;
}

static bool write_all(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0)
            return false;
        bytes.p += n;
        bytes.n -= (size_t)n;
    }
    return true;
}

static bool file_write(const char *path, struct str bytes, struct err *err)
{
    (void)unlink(path); /* of another owner or mode; or not there */
    int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);

    if (fd < 0)
        return failed(err, path);
    bool good = write_all(fd, bytes) && fsync(fd) == 0;
    if (!good)
        failed(err, path);
    close(fd);
    return good;
}

/* A name is durable when its folder is. */
static bool folder_sync(const char *path, struct err *err)
{
    char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (!good)
        failed(err, path);
    if (fd >= 0)
        close(fd);
    free(copy);
    return good;
}

bool file_replace(const char *path, struct str bytes, struct err *err)
{
    AUTO_RELEASE(buf) fresh = {0};

    buf_addf(&fresh, "%s.new", path);
    if (!file_write(fresh.p, bytes, err))
        return false;
    if (rename(fresh.p, path) < 0)
        return failed(err, path);
    return folder_sync(path, err);
}
