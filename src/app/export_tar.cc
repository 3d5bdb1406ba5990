// An export as a pax archive: a ustar header for everything, and before it, where ustar has no room
// or no field, an extended header of "<length> <key>=<value>\n" records. Sparse files are in GNU's
// format 1.0: the map of runs, as decimal lines, stands before the bytes.
//
//     x   paxheader      512 + records, padded to 512
//     0   path           512, then content, padded to 512
//     two blocks of zeros end it, padded to 10,240 as tar(1) does
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "app/export.h"
#include "reelfs/base/fd.h"

namespace reelfs::app {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kRecord = 20 * kBlock;
constexpr std::uint64_t kOctal11 = 077777777777;  // what an 11-digit field holds
constexpr std::uint64_t kOctal7 = 07777777;
constexpr int kLookAgainMs = 250;

constexpr std::size_t padding(std::uint64_t size) {
    return static_cast<std::size_t>((kBlock - size % kBlock) % kBlock);
}

/// "<length> <key>=<value>\n", where the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (fmt::formatted_size("{}", length) + rest != length)
        length = fmt::formatted_size("{}", length) + rest;
    return fmt::format("{} {}={}\n", length, key, value);
}

/// The name of an attribute as a record's key, where "=" would end it: GNU tar's way.
std::string xattr_key(std::string_view name) {
    std::string key = "SCHILY.xattr.";
    for (const char c : name) {
        if (c == '%' || c == '=')
            key += c == '%' ? "%25" : "%3D";
        else
            key += c;
    }
    return key;
}

char type_flag(const Exported& entry) {
    if (!entry.link_to.empty()) return '1';
    switch (entry.attributes.type) {
        case NodeType::kFile:
            return '0';
        case NodeType::kSymlink:
            return '2';
        case NodeType::kCharDevice:
            return '3';
        case NodeType::kBlockDevice:
            return '4';
        case NodeType::kDirectory:
            return '5';
        case NodeType::kFifo:
        case NodeType::kSocket:
            return '6';
    }
    return '0';
}

class Header {
  public:
    Header() { block_.fill('\0'); }
    void text(std::size_t at, std::size_t size, std::string_view value) {
        std::memcpy(block_.data() + at, value.data(), std::min(size, value.size()));
    }
    void octal(std::size_t at, std::size_t digits, std::uint64_t value) {
        text(at, digits, fmt::format("{:0{}o}", value, digits));
    }
    const std::array<char, kBlock>& finished() {
        text(257, 8, std::string_view("ustar\00000", 8));
        text(148, 8, "        ");
        unsigned sum = 0;
        for (const char c : block_) sum += static_cast<unsigned char>(c);
        text(148, 6, fmt::format("{:06o}", sum));
        block_[154] = '\0';
        block_[155] = ' ';
        return block_;
    }

  private:
    std::array<char, kBlock> block_{};
};

class TarSink final : public ExportSink {
  public:
    /// `new_file`: the archive's path, when it has been made for it.
    TarSink(Fd archive, std::string new_file, core::Job& job)
        : archive_(std::move(archive)), new_file_(std::move(new_file)), job_(job) {}
    ~TarSink() override {
        // A part of an archive would be taken for one, and be in the way of the next attempt.
        if (whole_ || new_file_.empty()) return;
        struct stat made {
        }, there{};
        if (::fstat(archive_.get(), &made) == 0 && ::lstat(new_file_.c_str(), &there) == 0 &&
            made.st_dev == there.st_dev && made.st_ino == there.st_ino)
            ::unlink(new_file_.c_str());
    }

    Result<bool> begin(const Exported& entry) override {
        if (entry.attributes.type == NodeType::kSocket) {
            lines_.push_back(entry.path + ": a socket, which an archive cannot hold");
            return false;
        }
        const bool file = entry.attributes.is_file() && entry.link_to.empty();
        std::uint64_t held = 0;
        for (const auto& [from, length] : entry.runs) held += length;
        const bool sparse = file && held < entry.attributes.size;
        std::string map;
        if (sparse) {
            // An end that is a hole is an empty run at the end.
            auto runs = entry.runs;
            if (runs.empty() || runs.back().first + runs.back().second < entry.attributes.size)
                runs.emplace_back(entry.attributes.size, 0);
            map = fmt::format("{}\n", runs.size());
            for (const auto& [from, length] : runs) map += fmt::format("{}\n{}\n", from, length);
            map.append(padding(map.size()), '\0');
        }
        const std::uint64_t size = file ? (sparse ? map.size() + held : entry.attributes.size) : 0;
        RF_CHECK(put_headers(entry, size, sparse));
        left_ = size;
        if (!map.empty()) RF_CHECK(put_content(bytes_of(map)));
        return true;
    }

    Result<void> data(std::uint64_t, Bytes bytes) override { return put_content(bytes); }

    Result<void> end() override {
        if (left_ != 0) return Error(Errc::kIo, "a file gave fewer bytes than it promised");
        return put(Bytes(kZeros).first(padding(written_)));
    }

    Result<void> finish() override {
        RF_CHECK(put(kZeros));
        RF_CHECK(put(kZeros));
        while (written_ % kRecord != 0) RF_CHECK(put(kZeros));
        if (::fsync(archive_.get()) != 0 && errno != EINVAL && errno != EROFS)
            return Error::from_errno(errno, "sync the archive");
        whole_ = true;
        return done();
    }

    std::vector<std::string> problems() const override { return lines_; }

  private:
    static constexpr std::array<std::byte, kBlock> kZeros{};

    Result<void> put_headers(const Exported& entry, std::uint64_t size, bool sparse) {
        const Attributes& a = entry.attributes;
        std::string path = "./" + entry.path;
        if (a.is_directory() && !entry.path.empty()) path += "/";
        const std::string target = entry.link_to.empty() ? entry.target : "./" + entry.link_to;
        constexpr std::int64_t kSecond = 1'000'000'000;
        const std::int64_t seconds =
            a.modified.ns / kSecond - (a.modified.ns % kSecond < 0 ? 1 : 0);

        std::string pax;
        if (sparse) {
            pax += pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                   pax_record("GNU.sparse.name", path) +
                   pax_record("GNU.sparse.realsize", std::to_string(a.size));
        } else if (path.size() > 100) {
            pax += pax_record("path", path);
        }
        if (target.size() > 100) pax += pax_record("linkpath", target);
        if (size > kOctal11) pax += pax_record("size", std::to_string(size));
        if (a.uid > kOctal7) pax += pax_record("uid", std::to_string(a.uid));
        if (a.gid > kOctal7) pax += pax_record("gid", std::to_string(a.gid));
        pax += pax_record("mtime", time_text(a.modified.ns));
        pax += pax_record("atime", time_text(a.accessed.ns));
        for (const auto& [name, value] : entry.xattrs)
            pax += pax_record(xattr_key(name), text_of(value));

        Header extended;
        extended.text(0, 100, "./PaxHeaders/" + entry.path.substr(0, 80));
        fill(extended, 'x', 0644, 0, 0, pax.size(), std::max<std::int64_t>(seconds, 0));
        RF_CHECK(put(std::as_bytes(std::span(extended.finished()))));
        RF_CHECK(put(bytes_of(pax)));
        RF_CHECK(put(Bytes(kZeros).first(padding(pax.size()))));

        Header header;
        header.text(0, 100, path);
        fill(header, type_flag(entry), a.mode, std::min<std::uint64_t>(a.uid, kOctal7),
             std::min<std::uint64_t>(a.gid, kOctal7), std::min(size, kOctal11),
             std::max<std::int64_t>(seconds, 0));
        header.text(157, 100, target);
        if (a.type == NodeType::kCharDevice || a.type == NodeType::kBlockDevice) {
            header.octal(329, 7, major(static_cast<dev_t>(a.device)));
            header.octal(337, 7, minor(static_cast<dev_t>(a.device)));
        }
        return put(std::as_bytes(std::span(header.finished())));
    }

    static std::string time_text(std::int64_t ns) {
        const bool before = ns < 0;
        const std::uint64_t whole =
            before ? ~static_cast<std::uint64_t>(ns) + 1 : static_cast<std::uint64_t>(ns);
        return fmt::format("{}{}.{:09}", before ? "-" : "", whole / 1'000'000'000,
                           whole % 1'000'000'000);
    }

    static void fill(Header& header, char type, std::uint32_t mode, std::uint64_t uid,
                     std::uint64_t gid, std::uint64_t size, std::int64_t seconds) {
        header.octal(100, 7, mode);
        header.octal(108, 7, uid);
        header.octal(116, 7, gid);
        header.octal(124, 11, size);
        header.octal(136, 11,
                     std::min<std::uint64_t>(static_cast<std::uint64_t>(seconds), kOctal11));
        header.text(156, 1, std::string_view(&type, 1));
    }

    Result<void> put_content(Bytes bytes) {
        if (bytes.size() > left_)
            return Error(Errc::kIo, "a file gave more bytes than it promised");
        left_ -= bytes.size();
        return put(bytes);
    }

    Result<void> put(Bytes bytes) {
        written_ += bytes.size();
        while (!bytes.empty()) {
            const ssize_t n = ::write(archive_.get(), bytes.data(), bytes.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) {
                // A reader that takes its time: it may also be gone for good.
                pollfd waiting{.fd = archive_.get(), .events = POLLOUT, .revents = 0};
                ::poll(&waiting, 1, kLookAgainMs);
                RF_CHECK(job_.check_cancelled());
                continue;
            }
            if (n < 0) return Error::from_errno(errno, "write the archive");
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        }
        return done();
    }

    const Fd archive_;
    const std::string new_file_;
    core::Job& job_;
    std::uint64_t written_ = 0;
    std::uint64_t left_ = 0;  // of the present file's content
    bool whole_ = false;
    std::vector<std::string> lines_;
};

}  // namespace

Result<std::unique_ptr<ExportSink>> export_to_tar(const std::string& path, core::Job& job) {
    struct stat status {};
    const bool fifo = ::lstat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
    Fd file(::open(path.c_str(),
                   fifo ? O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
                        : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                   0600));
    if (!file) return Error::from_errno(errno, "make " + path);
    return std::unique_ptr<ExportSink>(
        std::make_unique<TarSink>(std::move(file), fifo ? "" : path, job));
}

}  // namespace reelfs::app
