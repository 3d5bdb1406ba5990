// Spans of bytes, an owned buffer without zero-filling, and little-endian integers: every number we
// put on disk is little-endian at a fixed offset.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reelfs {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

static_assert(std::endian::native == std::endian::little, "reelfs stores and loads little-endian");

template <class Integer>
Integer load_le(const std::byte* from) {
    Integer value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <class Integer>
void store_le(std::byte* to, Integer value) {
    std::memcpy(to, &value, sizeof value);
}

inline Bytes bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}
inline std::string_view text_of(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::vector<std::byte> copy_of(Bytes bytes) {
    return {bytes.begin(), bytes.end()};
}

/// True of an empty one too.
bool all_zero(Bytes bytes);

/// An owned, move-only run of bytes; not zeroed when made. Aligned for I/O to 64 bytes.
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(std::size_t size);

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    std::byte* data() { return data_.get(); }
    const std::byte* data() const { return data_.get(); }
    MutableBytes span() { return {data_.get(), size_}; }
    Bytes span() const { return {data_.get(), size_}; }
    /// Forgets the tail; never grows.
    void shrink(std::size_t size);

  private:
    struct Free {
        std::size_t allocated;
        Free() : allocated(0) {}
        explicit Free(std::size_t bytes) : allocated(bytes) {}
        void operator()(std::byte* data) const;
    };
    static std::byte* allocate(std::size_t size);
    std::unique_ptr<std::byte[], Free> data_;
    std::size_t size_ = 0;
};

std::string to_hex(Bytes bytes);
std::optional<std::vector<std::byte>> from_hex(std::string_view text);

}  // namespace reelfs
