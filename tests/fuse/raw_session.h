// libfuse without a kernel: a session whose device is a socket, so that a test speaks the protocol
// itself and sees every reply that leaves.
#pragma once

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fuse/door.h"
#include "fuse/libfuse.h"
#include "reelfs/base/bytes.h"
#include "reelfs/base/fd.h"

namespace reelfs::fuse::test {

struct RawReply {
    std::uint64_t unique = 0;
    int error = 0;  // positive errno
    std::vector<std::byte> body;
};

class RawSession {
  public:
    RawSession(Door& door, const fuse_lowlevel_ops& operations) {
        int ends[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        kernel_ = Fd(ends[0]);
        fuse_args arguments = FUSE_ARGS_INIT(0, nullptr);
        fuse_opt_add_arg(&arguments, "test");
        session_.reset(fuse_session_new(&arguments, &operations, sizeof operations, &door));
        fuse_opt_free_args(&arguments);
        fuse_custom_io io{};
        io.read = [](int fd, void* buffer, std::size_t size, void*) {
            return ::read(fd, buffer, size);
        };
        io.writev = [](int fd, iovec* pieces, int count, void*) -> ssize_t {
            if (caller_is_gone()) {
                errno = ENOENT;  // what the kernel says when nobody waits for the answer any more
                return -1;
            }
            return ::writev(fd, pieces, count);
        };
        EXPECT_EQ(fuse_session_custom_io(session_.get(), &io, ends[1]), 0);
        fuse_init_in init{};
        init.major = 7;
        init.minor = 31;
        auto replies = send(FUSE_INIT, 0, std::as_bytes(std::span(&init, 1)));
        EXPECT_EQ(replies.size(), 1u);
    }

    /// While true, answers are refused as the kernel refuses those to interrupted callers.
    static bool& caller_is_gone() {
        static bool gone = false;
        return gone;
    }

    /// Sends one request, lets libfuse work on it, and returns all that came back.
    std::vector<RawReply> send(std::uint32_t opcode, std::uint64_t ino, Bytes body) {
        fuse_in_header header{};
        header.len = static_cast<std::uint32_t>(sizeof header + body.size());
        header.opcode = opcode;
        header.unique = ++unique_;
        header.nodeid = ino;
        header.uid = header.gid = 1000;
        iovec pieces[2] = {{&header, sizeof header},
                           {const_cast<std::byte*>(body.data()), body.size()}};
        EXPECT_GT(writev(kernel_.get(), pieces, 2), 0);
        fuse_buf buffer{};
        EXPECT_GT(fuse_session_receive_buf(session_.get(), &buffer), 0);
        fuse_session_process_buf(session_.get(), &buffer);
        std::free(buffer.mem);
        return replies();
    }

  private:
    std::vector<RawReply> replies() {
        std::vector<RawReply> all;
        std::vector<std::byte> message(1 << 16);
        while (true) {
            ssize_t got = recv(kernel_.get(), message.data(), message.size(), MSG_DONTWAIT);
            if (got < 0) return all;
            fuse_out_header header{};
            std::memcpy(&header, message.data(), sizeof header);
            EXPECT_EQ(header.len, static_cast<std::uint32_t>(got));
            EXPECT_EQ(header.unique, unique_);
            all.push_back({header.unique,
                           -header.error,
                           {message.begin() + sizeof header, message.begin() + got}});
        }
    }

    struct Destroy {
        void operator()(fuse_session* session) const { fuse_session_destroy(session); }
    };
    Fd kernel_;
    std::unique_ptr<fuse_session, Destroy> session_;
    std::uint64_t unique_ = 0;
};

}  // namespace reelfs::fuse::test
