// One tree through two doors: a mount and an HTTP server of one process over one store, against a
// model. What one door has acknowledged the other must show at once, whatever the kernel had cached
// of it. Needs /dev/fuse and root.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/test_store.h"
#include "fuse/live_mount.h"
#include "http/raw_client.h"
#include "http/server_limits.h"
#include "http/test_authenticator.h"
#include "reelfs/base/fd.h"

namespace reelfs {
namespace {

using fuse::test::LiveMount;
using http::Answer;
using http::RawClient;
using test::must;

class TwoDoors : public ::testing::Test {
  protected:
    TwoDoors() : rig_(random_, std::uint64_t{1} << 40, &clock_) {
        rig_.container();
        mount_.emplace(rig_.tree(), clock_);
        http::ServerOptions options;
        options.http = http::Endpoint{"127.0.0.1", 0};
        options.authenticator = &authenticator_;
        server_ = must(http::start_limited_server(rig_.tree(), clock_, metrics_, options, {}));
        peer_.emplace(*server_->http());
    }
    ~TwoDoors() override {
        peer_.reset();
        server_.reset();
        mount_.reset();
    }

    Answer ask(std::string_view method, const std::string& path, std::string_view more = "",
               std::string_view body = "") {
        peer_->send(fmt::format(
            "{} /c/{} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Test t\r\nContent-Length: "
            "{}\r\n{}\r\n{}",
            method, path, body.size(), more, body));
        return peer_->answer();
    }
    int put(const std::string& path, std::string_view body) {
        return ask("PUT", path, "", body).status;
    }
    std::string file(const std::string& path) const { return *mount_ / ("c/" + path); }
    /// Content, or the errno's name.
    std::string read_mounted(const std::string& path) const {
        const Fd opened(::open(file(path).c_str(), O_RDONLY | O_CLOEXEC));
        if (opened.get() < 0) return fmt::format("errno {}", errno);
        std::string content;
        char buffer[64 * 1024];
        ssize_t n = 0;
        while ((n = ::read(opened.get(), buffer, sizeof buffer)) > 0)
            content.append(buffer, static_cast<std::size_t>(n));
        return n == 0 ? content : fmt::format("errno {}", errno);
    }
    std::int64_t size_mounted(const std::string& path) const {
        struct stat status {};
        return ::stat(file(path).c_str(), &status) == 0 ? status.st_size : -errno;
    }

    SystemClock clock_;
    test::SeededRandom random_;
    test::StoreRig rig_;
    http::TestAuthenticator authenticator_;
    Metrics metrics_;
    std::optional<LiveMount> mount_;
    std::unique_ptr<http::Server> server_;
    std::optional<RawClient> peer_;
};

TEST_F(TwoDoors, APutIsOnTheMountBeforeItIsAnsweredWhateverTheKernelKnewBefore) {
    for (int i = 0; i < 50; ++i) {
        const std::string path = fmt::format("d{}/o", i % 3);
        const std::string body(static_cast<std::size_t>(i * 700), static_cast<char>('a' + i % 26));
        size_mounted(path);  // the kernel now knows what was there, or that nothing was
        ASSERT_EQ(put(path, body), 200);
        ASSERT_EQ(size_mounted(path), static_cast<std::int64_t>(body.size()));
        ASSERT_EQ(read_mounted(path), body);
        if (i % 4 != 3) continue;
        ASSERT_EQ(ask("DELETE", path).status, 200);
        ASSERT_EQ(size_mounted(path), -ENOENT);
        ASSERT_EQ(size_mounted(path.substr(0, 2)), -ENOENT) << "the folder made for it";
    }
}

TEST_F(TwoDoors, AStreamingUploadGrowsOnTheMountAndIsNeverCached) {
    ASSERT_EQ(put("s/o", "the old one"), 200);
    ASSERT_EQ(read_mounted("s/o"), "the old one");
    const auto begin = [&](RawClient& writer) {
        writer.send(
            "PUT /c/s/o HTTP/1.1\r\nHost: localhost\r\nAuthorization: Test t\r\n"
            "Transfer-Encoding: chunked\r\nx-amz-upload-availability: STREAMING\r\n\r\n");
    };
    const auto chunk = [](std::string_view bytes) {
        return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
    };
    // Until the first bytes are there; from then on they are followed.
    const auto wait_for_size = [&](std::int64_t size) {
        while (size_mounted("s/o") != size) ASSERT_TRUE(size_mounted("s/o") >= 0);
    };
    RawClient writer(*server_->http());
    begin(writer);
    std::string sent;
    Fd follower;
    for (int i = 0; i < 20; ++i) {
        const std::string piece(10'000, static_cast<char>('A' + i));
        writer.send(chunk(piece));
        sent += piece;
        wait_for_size(static_cast<std::int64_t>(sent.size()));
        ASSERT_EQ(read_mounted("s/o"), sent);
        if (i == 0) follower = Fd(::open(file("s/o").c_str(), O_RDONLY | O_CLOEXEC));
        std::string tail(piece.size(), '\0');
        ASSERT_EQ(::pread(follower.get(), tail.data(), tail.size(),
                          static_cast<off_t>(sent.size() - piece.size())),
                  static_cast<ssize_t>(tail.size()));
        ASSERT_EQ(tail, piece) << "never zeros";
    }
    EXPECT_EQ(::open(file("s/o").c_str(), O_WRONLY | O_CLOEXEC), -1);
    EXPECT_EQ(errno, EBUSY);
    writer.send("0\r\n\r\n");
    ASSERT_EQ(writer.answer().status, 200);
    EXPECT_EQ(read_mounted("s/o"), sent);

    RawClient failing(*server_->http());
    begin(failing);
    failing.send(chunk("x"));
    wait_for_size(1);
    failing.abort();
    wait_for_size(static_cast<std::int64_t>(sent.size()));
    EXPECT_EQ(read_mounted("s/o"), sent) << "the version before";
}

/// Files and folders by path. A folder made by an upload vanishes when a DELETE empties it.
struct Model {
    std::map<std::string, std::string> files;
    std::map<std::string, bool> folders{{"", false}};  // whether made by an upload

    static std::string above(const std::string& path) {
        const std::size_t slash = path.rfind('/');
        return slash == std::string::npos ? "" : path.substr(0, slash);
    }
    bool is_empty(const std::string& folder) const {
        const auto below = [&](const auto& entries) {
            const auto at = entries.upper_bound(folder + "/");
            return at != entries.end() && at->first.starts_with(folder + "/");
        };
        return !below(files) && !below(folders);
    }
    void make_folders(const std::string& path) {
        for (std::string at = above(path); !folders.contains(at); at = above(at))
            folders[at] = true;
    }
    bool blocked(const std::string& path) const {
        for (std::string at = above(path); !at.empty(); at = above(at))
            if (files.contains(at)) return true;
        return folders.contains(path);
    }
    void prune(const std::string& path) {
        for (std::string at = above(path); !at.empty() && folders.at(at) && is_empty(at);
             at = above(at))
            folders.erase(at);
    }
};

TEST_F(TwoDoors, RandomOperationsThroughBothAgreeWithAModel) {
    Model model;
    // The store draws from random_ too, on threads of its own.
    test::SeededRandom choices(random_.seed());
    const auto path = [&] {
        std::string name;
        const std::uint64_t depth = 1 + choices.below(3);
        for (std::uint64_t i = 0; i < depth; ++i)
            name += std::string(i == 0 ? "" : "/") + static_cast<char>('a' + choices.below(3));
        return name;
    };
    int serial = 0;
    const auto content = [&] {
        std::string text = fmt::format("{}:", ++serial);
        return text + std::string(choices.below(30'000), static_cast<char>('a' + serial % 26));
    };
    for (int step = 0; step < 1'500; ++step) {
        const std::string p = path(), q = path();
        const std::string above = Model::above(p);
        const bool parent = model.folders.contains(above);
        SCOPED_TRACE(fmt::format("step {} {} {}", step, p, q));
        switch (choices.below(7)) {
            case 0:
            case 1: {  // PUT
                const std::string body = content();
                const bool blocked = model.blocked(p);
                ASSERT_EQ(put(p, body), blocked ? 400 : 200);
                if (blocked) break;
                model.make_folders(p);
                model.files[p] = body;
                break;
            }
            case 2: {  // DELETE
                const bool there = model.files.erase(p) > 0;
                ASSERT_EQ(ask("DELETE", p).status, there ? 200 : 404);
                if (there) model.prune(p);
                break;
            }
            case 3: {  // write through the mount
                const bool possible = parent && !model.folders.contains(p);
                const std::string body = content();
                const Fd opened(
                    ::open(file(p).c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644));
                ASSERT_EQ(opened.get() >= 0, possible) << errno;
                if (!possible) break;
                ASSERT_EQ(::write(opened.get(), body.data(), body.size()),
                          static_cast<ssize_t>(body.size()));
                if (!model.files.contains(p)) model.folders[above] = false;
                model.files[p] = body;
                break;
            }
            case 4: {  // unlink or rmdir
                if (model.files.erase(p) > 0) {
                    ASSERT_EQ(::unlink(file(p).c_str()), 0) << errno;
                } else if (model.folders.contains(p)) {
                    const bool empty = model.is_empty(p);
                    ASSERT_EQ(::rmdir(file(p).c_str()) == 0, empty) << errno;
                    if (empty) model.folders.erase(p);
                } else {
                    ASSERT_EQ(::unlink(file(p).c_str()), -1);
                }
                break;
            }
            case 5: {  // mkdir
                const bool possible =
                    parent && !model.folders.contains(p) && !model.files.contains(p);
                ASSERT_EQ(::mkdir(file(p).c_str(), 0755) == 0, possible) << errno;
                if (!possible) break;
                model.folders[p] = model.folders[above] = false;
                break;
            }
            case 6: {  // rename of a file
                const bool possible = model.files.contains(p) && !model.folders.contains(q) &&
                                      model.folders.contains(Model::above(q));
                if (!model.files.contains(p)) break;
                ASSERT_EQ(::rename(file(p).c_str(), file(q).c_str()) == 0, possible) << errno;
                if (!possible || p == q) break;
                model.files[q] = model.files[p];
                model.files.erase(p);
                model.folders[above] = model.folders[Model::above(q)] = false;
                break;
            }
        }
        for (const std::string& asked : {p, q}) {
            const auto found = model.files.find(asked);
            const Answer got = ask("GET", asked);
            if (found == model.files.end()) {
                ASSERT_EQ(got.status, 404) << asked;
                if (!model.folders.contains(asked)) {
                    ASSERT_LT(size_mounted(asked), 0) << asked;
                }
                continue;
            }
            ASSERT_EQ(got.status, 200) << asked;
            ASSERT_EQ(got.body, found->second) << asked;
            ASSERT_EQ(size_mounted(asked), static_cast<std::int64_t>(found->second.size()));
            ASSERT_EQ(read_mounted(asked), found->second) << asked;
        }
        if (step % 25 != 0) continue;
        std::map<std::string, std::string> files;
        std::size_t folders = 1;
        const std::filesystem::path root = file("");
        for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
            const std::string name = entry.path().lexically_relative(root).string();
            if (!entry.is_directory()) {
                files[name] = read_mounted(name);
                continue;
            }
            ++folders;
            ASSERT_TRUE(model.folders.contains(name)) << name;
        }
        ASSERT_EQ(files, model.files);
        ASSERT_EQ(folders, model.folders.size());
        for (const auto& [folder, made] : model.folders) {
            const auto items = nlohmann::json::parse(ask("GET", "?Path=" + folder).body)["Items"];
            for (const auto& item : items) {
                std::string name = folder.empty() ? "" : folder + "/";
                name += item["Name"].get<std::string>();
                if (item["Type"] == "FOLDER") {
                    ASSERT_TRUE(model.folders.contains(name)) << name;
                } else {
                    ASSERT_EQ(item["ContentLength"], model.files.at(name).size()) << name;
                }
            }
        }
    }
}

}  // namespace
}  // namespace reelfs
