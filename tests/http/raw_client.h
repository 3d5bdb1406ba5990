// A peer of the HTTP door that sends exactly the bytes it is told to, and sees how a response ends:
// by its length, by FIN, or by reset.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <string_view>

#include "http/text.h"
#include "reelfs/base/fd.h"
#include "reelfs/http/server.h"

namespace reelfs::http {

struct Answer {
    int status = 0;
    std::map<std::string, std::string> fields;  // names in lower case; the last of each
    std::string body;
    bool complete = false;  // its framing says so
    std::string field(const std::string& name) const {
        const auto found = fields.find(name);
        return found == fields.end() ? "" : found->second;
    }
    bool has(const std::string& name) const { return fields.count(name) > 0; }
};

class RawClient {
  public:
    enum class End { kOpen, kFin, kReset };

    explicit RawClient(const Endpoint& server, int receive_buffer = 0)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        if (receive_buffer > 0)
            ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        timeval patience{.tv_sec = 30, .tv_usec = 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(server.port);
        ::inet_pton(AF_INET, server.address.c_str(), &address.sin_addr);
        connected_ =
            ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    }

    bool connected() const { return connected_; }
    End end() const { return end_; }
    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    void finish_sending() { ::shutdown(fd_.get(), SHUT_WR); }
    void close() { fd_.reset(); }
    /// Closes so that the other side sees a reset.
    void abort() {
        linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        fd_.reset();
    }

    /// Receives once; false at the end (see end()).
    bool receive() {
        char buffer[64 * 1024];
        const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
        if (n > 0) {
            held_.append(buffer, static_cast<std::size_t>(n));
            return true;
        }
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            ADD_FAILURE() << "nothing came for 30 s";
            return false;
        }
        end_ = n == 0 ? End::kFin : End::kReset;
        if (n < 0) {
            EXPECT_EQ(errno, ECONNRESET);
        }
        return false;
    }
    /// Whatever comes, to the end.
    std::string receive_all() {
        while (receive()) continue;
        return std::exchange(held_, {});
    }
    /// Until at least `bytes` are held; they stay held.
    bool receive_at_least(std::size_t bytes) {
        while (held_.size() < bytes)
            if (!receive()) return false;
        return true;
    }
    bool receive_until(std::string_view text) {
        while (held_.find(text) == std::string::npos)
            if (!receive()) return false;
        return true;
    }
    const std::string& held() const { return held_; }
    std::string take(std::size_t bytes) {
        std::string taken = held_.substr(0, bytes);
        held_.erase(0, bytes);
        return taken;
    }

    Answer answer_head() {
        Answer answer;
        if (!receive_until("\r\n\r\n")) return answer;
        std::string head = take(held_.find("\r\n\r\n") + 4);
        answer.status = std::atoi(head.substr(9, 3).c_str());
        for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
            const std::size_t end = head.find("\r\n", at);
            const std::size_t colon = head.find(": ", at);
            std::string name = head.substr(at, colon - at);
            std::transform(name.begin(), name.end(), name.begin(), to_lower);
            answer.fields[name] = head.substr(colon + 2, end - colon - 2);
            at = end + 2;
        }
        return answer;
    }
    /// One whole response, by its framing. `to_head`: it has no body.
    Answer answer(bool to_head = false) {
        Answer answer = answer_head();
        if (answer.status == 0 || to_head || answer.status == 304) {
            answer.complete = answer.status != 0;
            return answer;
        }
        if (answer.field("transfer-encoding") == "chunked") {
            answer.complete = take_chunks(answer.body);
        } else if (answer.has("content-length")) {
            const std::size_t length = std::stoull(answer.field("content-length"));
            answer.complete = receive_at_least(length);
            answer.body = take(length);
        } else {
            answer.body = receive_all();
            answer.complete = end_ == End::kFin;
        }
        return answer;
    }
    Answer get(const std::string& target, const std::string& more = "") {
        send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n");
        return answer();
    }
    Answer head(const std::string& target, const std::string& more = "") {
        send("HEAD " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n");
        return answer(true);
    }

  private:
    bool take_chunks(std::string& body) {
        while (true) {
            if (!receive_until("\r\n")) return false;
            const std::size_t line = held_.find("\r\n");
            const std::size_t size = std::stoull(held_.substr(0, line), nullptr, 16);
            if (!receive_at_least(line + 2 + size + 2)) return false;
            take(line + 2);
            body += take(size);
            if (take(2) != "\r\n") return false;
            if (size == 0) return true;
        }
    }

    Fd fd_;
    bool connected_ = false;
    End end_ = End::kOpen;
    std::string held_;
};

}  // namespace reelfs::http
