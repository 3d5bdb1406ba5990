#include "reelfs/base/bytes.h"

#include <sys/mman.h>

#include <cassert>
#include <new>

namespace reelfs {

namespace {
constexpr std::align_val_t kAlignment{64};
constexpr std::size_t kMappedFrom = 512 * 1024;
constexpr std::string_view kDigits = "0123456789abcdef";

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
    // Large ones come from the kernel and go back to it at once, so that memory in use is memory
    // counted: an allocator would keep them in pools of its own, a thread each. Huge pages make the
    // first touch cheap.
    void* memory =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    ::madvise(memory, size, MADV_HUGEPAGE);
    return static_cast<std::byte*>(memory);
}

Buffer::Buffer(std::size_t size) : data_(allocate(size), Free{size}), size_(size) {}

void Buffer::Free::operator()(std::byte* data) const {
    if (allocated < kMappedFrom)
        ::operator delete(data, kAlignment);
    else
        ::munmap(data, allocated);
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
