#include "reelfs/base/bytes.h"

#include <sys/mman.h>

#include <array>
#include <cassert>
#include <new>

#include "reelfs/base/mutex.h"

namespace reelfs {

bool all_zero(Bytes bytes) {
    return bytes.empty() || (bytes[0] == std::byte{} &&
                             std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

namespace {
constexpr std::align_val_t kAlignment{64};
constexpr std::size_t kMappedFrom = 128 * 1024;
constexpr std::size_t kMappedStep = 64 * 1024;  // so that sizes that differ little share spares
constexpr std::string_view kDigits = "0123456789abcdef";

std::size_t mapped_size(std::size_t size) {
    return (size + kMappedStep - 1) / kMappedStep * kMappedStep;
}

/// Mapped memory that was freed a moment ago, for the next buffer of the same size: pages that are
/// mapped already need not be cleared again (a fifth of the time of a sequential write). Those
/// freed longest ago make room for others: sizes come in turn, as when a run of dirty bytes grows.
class Spares {
  public:
    std::byte* take(std::size_t size) {
        MutexLock lock(mutex_);
        for (std::size_t i = count_; i-- > 0;) {
            if (spares_[i].size != size) continue;
            std::byte* const found = spares_[i].data;
            remove(i);
            return found;
        }
        return nullptr;
    }
    bool keep(std::byte* data, std::size_t size) {
        if (size > kBytesMax) return false;
        MutexLock lock(mutex_);
        while (count_ == spares_.size() || bytes_ + size > kBytesMax) {
            ::munmap(spares_[0].data, spares_[0].size);
            remove(0);
        }
        spares_[count_++] = {data, size};
        bytes_ += size;
        return true;
    }

  private:
    static constexpr std::size_t kBytesMax = 64 * 1024 * 1024;  // of what the limits leave free
    struct Spare {
        std::byte* data;
        std::size_t size;
    };
    void remove(std::size_t at) REQUIRES(mutex_) {
        bytes_ -= spares_[at].size;
        for (--count_; at < count_; ++at) spares_[at] = spares_[at + 1];
    }

    Mutex mutex_;
    std::array<Spare, 64> spares_ GUARDED_BY(mutex_){};  // oldest first
    std::size_t count_ GUARDED_BY(mutex_) = 0;
    std::size_t bytes_ GUARDED_BY(mutex_) = 0;
};

Spares& spares() {
    static auto* const spares = new Spares;  // never destroyed: buffers may outlive statics
    return *spares;
}

#ifdef __SANITIZE_ADDRESS__
constexpr bool kKeepsSpares = false;  // what is freed must stay freed for it to see a use
#else
constexpr bool kKeepsSpares = true;
#endif

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}
}  // namespace

std::byte* Buffer::allocate(std::size_t size) {
    if (size == 0) return nullptr;
    if (size < kMappedFrom) return static_cast<std::byte*>(::operator new(size, kAlignment));
    size = mapped_size(size);
    // Large ones come from the kernel and go back to it at once (but for a few spares), so that
    // memory in use is memory counted: an allocator would keep them in pools of its own, a thread
    // each. Huge pages make the first touch cheap.
    if (kKeepsSpares)
        if (std::byte* const spare = spares().take(size)) return spare;
    void* memory =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    ::madvise(memory, size, MADV_HUGEPAGE);
    return static_cast<std::byte*>(memory);
}

Buffer::Buffer(std::size_t size) : data_(allocate(size), Free{size}), size_(size) {}

void Buffer::Free::operator()(std::byte* data) const {
    if (allocated < kMappedFrom) return ::operator delete(data, kAlignment);
    const std::size_t size = mapped_size(allocated);
    if (!kKeepsSpares || !spares().keep(data, size)) ::munmap(data, size);
}

void Buffer::shrink(std::size_t size) {
    assert(size <= size_);
    size_ = size;
}

std::string to_hex(Bytes bytes) {
    std::string text;
    text.reserve(bytes.size() * 2);
    for (std::byte b : bytes) {
        text.push_back(kDigits[std::to_integer<unsigned>(b) >> 4]);
        text.push_back(kDigits[std::to_integer<unsigned>(b) & 15]);
    }
    return text;
}

std::optional<std::vector<std::byte>> from_hex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::vector<std::byte> bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        int high = digit_of(text[i]), low = digit_of(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes.push_back(static_cast<std::byte>(high * 16 + low));
    }
    return bytes;
}

}  // namespace reelfs
