// Random operations on two files of one folder, against copies of them in memory; in the manner of
// fsx, written anew. Every operation is followed by a look at what it touched, every reopen by a
// look at everything.
//
//     random_file FOLDER SEED OPERATIONS [direct|sync]
//
// Reads and writes by call and by mapping, truncate, fallocate (punch, zero, allocate), copy within
// a file and between the two, fsync, close and open again, and SEEK_DATA/SEEK_HOLE, which must
// never call a byte that is not zero a hole. On a difference it prints the last operations and
// exits 1.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kLimit = 1 << 20;  // no file gets longer
constexpr std::size_t kPage = 4096;

std::mt19937_64 random_;
std::deque<std::string> story;
unsigned long long step_number = 0;

std::size_t below(std::size_t bound) {
    return bound == 0 ? 0 : random_() % bound;
}

__attribute__((format(printf, 1, 2))) void tell(const char* words, ...) {
    char line[200];
    va_list values;
    va_start(values, words);
    std::vsnprintf(line, sizeof line, words, values);
    va_end(values);
    story.push_back(std::to_string(step_number) + ": " + line);
    if (story.size() > 60) story.pop_front();
}

[[noreturn]] void fail(const std::string& what) {
    for (const std::string& line : story) std::fprintf(stderr, "%s\n", line.c_str());
    std::fprintf(stderr, "%s\n", what.c_str());
    std::exit(1);
}

void check(bool good, const char* call) {
    if (!good) fail(std::string(call) + ": " + std::strerror(errno));
}

struct Aligned {
    explicit Aligned(std::size_t size)
        : bytes(static_cast<unsigned char*>(
                    std::aligned_alloc(kPage, (size + kPage) / kPage * kPage)),
                &std::free) {}
    std::unique_ptr<unsigned char, void (*)(void*)> bytes;
};

class File {
  public:
    File(std::string path, int flags) : path_(std::move(path)), flags_(flags) {
        fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | flags_, 0644);
        check(fd_ >= 0, "open");
    }

    std::size_t size() const { return content_.size(); }

    void read() {
        const auto [offset, length] = range();
        tell("%s read %zu %zu", name(), offset, length);
        verify(offset, length);
    }

    void write() {
        const auto [offset, length] = range();
        tell("%s write %zu %zu", name(), offset, length);
        const Aligned buffer(length);
        fill(buffer.bytes.get(), length);
        check(::pwrite(fd_, buffer.bytes.get(), length, static_cast<off_t>(offset)) ==
                  static_cast<ssize_t>(length),
              "pwrite");
        take(offset, buffer.bytes.get(), length);
        verify(offset, length);
    }

    void append() {
        if (size() + 20'000 > kLimit || direct()) return;
        std::vector<unsigned char> bytes(1 + below(20'000));
        tell("%s append %zu at %zu", name(), bytes.size(), size());
        fill(bytes.data(), bytes.size());
        const std::size_t offset = size();
        check(::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
                  static_cast<ssize_t>(bytes.size()),
              "pwrite");
        take(offset, bytes.data(), bytes.size());
    }

    void map(bool writing) {
        if (size() == 0) return;
        const std::size_t offset = below(size()),
                          length = 1 + below(std::min(size() - offset, std::size_t{50'000}));
        tell("%s map for %s %zu %zu", name(), writing ? "writing" : "reading", offset, length);
        void* area = ::mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        check(area != MAP_FAILED, "mmap");
        auto* bytes = static_cast<unsigned char*>(area);
        if (std::memcmp(bytes + offset, content_.data() + offset, length) != 0)
            differ(bytes + offset, offset, length, "the mapping");
        if (writing) {
            fill(bytes + offset, length);
            take(offset, bytes + offset, length);
            if (below(2) == 0) check(::msync(area, size(), MS_SYNC) == 0, "msync");
        }
        check(::munmap(area, size()) == 0, "munmap");
    }

    void truncate() {
        const std::size_t to = below(3) == 0 ? below(kLimit) : below(size() + 10'000);
        tell("%s truncate %zu to %zu", name(), size(), to);
        check(::ftruncate(fd_, static_cast<off_t>(to)) == 0, "ftruncate");
        content_.resize(to);
    }

    void allocate() {
        static constexpr int kModes[] = {
            FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
            FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, FALLOC_FL_KEEP_SIZE};
        const int mode = kModes[below(5)];
        const auto [offset, length] = range();
        tell("%s fallocate %d %zu %zu", name(), mode, offset, length);
        check(::fallocate(fd_, mode, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0,
              "fallocate");
        if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0)
            for (std::size_t i = offset; i < std::min(offset + length, size()); ++i)
                content_[i] = 0;
        if ((mode & FALLOC_FL_KEEP_SIZE) == 0) content_.resize(std::max(size(), offset + length));
        verify(offset, length);
    }

    /// From `source`, which may be this file.
    void clone(const File& source) {
        std::size_t from = below(source.size()), length = 1 + below(300'000),
                    to = below(size() + 20'000);
        const bool aligned = direct() || below(2) == 0;
        if (aligned) from = from / kPage * kPage, to = to / kPage * kPage;
        length = std::min(
            {length, source.size() - std::min(from, source.size()), kLimit - std::min(to, kLimit)});
        if (direct()) length = length / kPage * kPage;
        if (length == 0) return;
        if (&source == this && from < to + length && to < from + length) return;
        tell("%s clone %zu from %s %zu to %zu", name(), length, source.name(), from, to);
        const std::vector<unsigned char> bytes(
            source.content_.begin() + static_cast<std::ptrdiff_t>(from),
            source.content_.begin() + static_cast<std::ptrdiff_t>(from + length));
        for (std::size_t done = 0; done < length;) {
            off64_t in = static_cast<off64_t>(from + done), out = static_cast<off64_t>(to + done);
            const ssize_t n = ::copy_file_range(source.fd_, &in, fd_, &out, length - done, 0);
            check(n > 0, "copy_file_range");
            done += static_cast<std::size_t>(n);
        }
        take(to, bytes.data(), length);
        verify(to, length);
    }

    void sync() {
        tell("%s fsync", name());
        check(::fsync(fd_) == 0, "fsync");
    }

    void reopen() {
        tell("%s reopen", name());
        check(::close(fd_) == 0, "close");
        fd_ = ::open(path_.c_str(), O_RDWR | flags_);
        check(fd_ >= 0, "open");
        verify(0, size());
    }

    void seek() {
        if (size() == 0) return;
        const std::size_t offset = below(size());
        tell("%s seek from %zu", name(), offset);
        const off_t hole = ::lseek(fd_, static_cast<off_t>(offset), SEEK_HOLE);
        check(hole >= static_cast<off_t>(offset) && hole <= static_cast<off_t>(size()),
              "SEEK_HOLE");
        off_t data = ::lseek(fd_, hole, SEEK_DATA);
        if (data < 0 && errno == ENXIO) data = static_cast<off_t>(size());
        check(data >= hole, "SEEK_DATA");
        for (off_t i = hole; i < data && i < static_cast<off_t>(size()); ++i)
            if (content_[static_cast<std::size_t>(i)] != 0)
                fail("a byte that is not zero is called a hole, at " + std::to_string(i));
    }

    void check_size() const {
        struct stat found {};
        check(::fstat(fd_, &found) == 0, "fstat");
        if (static_cast<std::size_t>(found.st_size) != size())
            fail(path_ + " has " + std::to_string(found.st_size) + " bytes instead of " +
                 std::to_string(size()));
    }

  private:
    const char* name() const { return path_.c_str() + path_.rfind('/') + 1; }
    bool direct() const { return (flags_ & O_DIRECT) != 0; }

    std::pair<std::size_t, std::size_t> range() const {
        static constexpr std::size_t kLengths[] = {1,     10,     511,    kPage,
                                                   5'000, 16'384, 70'000, 200'000};
        std::size_t offset = below(below(5) == 0 ? kLimit : size() + 1);
        std::size_t length = 1 + below(kLengths[below(8)]);
        if (direct()) {
            offset = offset / kPage * kPage;
            length = (length + kPage - 1) / kPage * kPage;
        }
        offset = std::min(offset, kLimit - kPage);
        return {offset, std::min(length, kLimit - offset)};
    }

    static void fill(unsigned char* bytes, std::size_t length) {
        for (std::size_t i = 0; i < length; i += 8) {
            const std::uint64_t word = random_();
            std::memcpy(bytes + i, &word, std::min<std::size_t>(8, length - i));
        }
    }

    void take(std::size_t offset, const unsigned char* bytes, std::size_t length) {
        content_.resize(std::max(size(), offset + length));
        std::memcpy(content_.data() + offset, bytes, length);
    }

    void verify(std::size_t offset, std::size_t length) {
        if (direct()) length = (length + kPage - 1) / kPage * kPage;
        const Aligned buffer(length);
        const ssize_t got = ::pread(fd_, buffer.bytes.get(), length, static_cast<off_t>(offset));
        check(got >= 0, "pread");
        const std::size_t expected = offset < size() ? std::min(length, size() - offset) : 0;
        if (static_cast<std::size_t>(got) != expected)
            fail("read " + std::to_string(got) + " bytes instead of " + std::to_string(expected));
        if (expected != 0 &&
            std::memcmp(buffer.bytes.get(), content_.data() + offset, expected) != 0)
            differ(buffer.bytes.get(), offset, expected, "a read");
    }

    [[noreturn]] void differ(const unsigned char* bytes, std::size_t offset, std::size_t length,
                             const char* how) {
        std::size_t at = 0;
        while (at < length && bytes[at] == content_[offset + at]) ++at;
        char line[200];
        std::snprintf(line, sizeof line, "%s: %s differs at %zu: %02x instead of %02x", name(), how,
                      offset + at, bytes[at], content_[offset + at]);
        fail(line);
    }

    const std::string path_;
    const int flags_;
    int fd_ = -1;
    std::vector<unsigned char> content_;
};

}  // namespace

int main(int count, char** words) {
    if (count < 4) {
        std::fprintf(stderr, "random_file FOLDER SEED OPERATIONS [direct|sync]\n");
        return 2;
    }
    const std::string folder = words[1], mode = count > 4 ? words[4] : "";
    random_.seed(std::strtoull(words[2], nullptr, 0));
    const unsigned long long steps = std::strtoull(words[3], nullptr, 0);
    const int flags = mode == "direct" ? O_DIRECT : mode == "sync" ? O_SYNC : 0;
    std::unique_ptr<File> files[] = {std::make_unique<File>(folder + "/one", flags),
                                     std::make_unique<File>(folder + "/two", flags)};
    for (step_number = 1; step_number <= steps; ++step_number) {
        File& file = *files[below(2)];
        const std::size_t choice = below(100);
        if (choice < 22)
            file.read();
        else if (choice < 50)
            file.write();
        else if (choice < 58)
            file.append();
        else if (choice < 64)
            file.map(false);
        else if (choice < 72)
            file.map(true);
        else if (choice < 79)
            file.truncate();
        else if (choice < 86)
            file.allocate();
        else if (choice < 93)
            file.clone(*files[below(2)]);
        else if (choice < 96)
            file.seek();
        else if (choice < 98)
            file.reopen();
        else
            file.sync();
        file.check_size();
    }
    for (auto& file : files) file->reopen();
    std::printf("%llu operations, sizes %zu and %zu\n", steps, files[0]->size(), files[1]->size());
}
