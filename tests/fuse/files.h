// Small file calls and a second user, for tests over a mount.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "reelfs/base/fd.h"

namespace reelfs::fuse::test {

inline void write_file(const std::string& path, std::string_view text) {
    Fd file(open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644));
    ASSERT_TRUE(file) << strerror(errno);
    ASSERT_EQ(write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

/// The whole file, or "errno N".
inline std::string read_file(const std::string& path) {
    Fd file(open(path.c_str(), O_RDONLY));
    if (!file) return "errno " + std::to_string(errno);
    std::string all;
    std::string piece(1 << 16, '\0');
    while (true) {
        ssize_t got = read(file.get(), piece.data(), piece.size());
        if (got < 0) return "errno " + std::to_string(errno);
        if (got == 0) return all;
        all.append(piece, 0, static_cast<std::size_t>(got));
    }
}

/// Runs `body` in a child as `uid`; its exit status. Nothing of the mount is served by the child.
template <class Body>
int as_user(unsigned uid, Body body) {
    pid_t child = fork();
    if (child == 0) {
        if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) _exit(120);
        _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 121;
}

}  // namespace reelfs::fuse::test
