// Bytes received and not yet consumed. Small while a connection idles: there may be many of them.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace reelfs::http {

class InputBuffer {
  public:
    std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
    std::size_t size() const { return end_ - begin_; }

    /// Room for at least `bytes` more behind what is here. Invalidates views.
    std::span<char> prepare(std::size_t bytes) {
        if (capacity_ - end_ < bytes) {
            const std::size_t held = size();
            const bool fits = capacity_ >= held + bytes;
            if (fits) {
                std::memmove(data_.get(), data_.get() + begin_, held);
            } else {
                std::unique_ptr<char[]> larger(new char[held + bytes]);
                if (held > 0) std::memcpy(larger.get(), data_.get() + begin_, held);
                data_ = std::move(larger);
                capacity_ = held + bytes;
            }
            begin_ = 0;
            end_ = held;
        }
        return {data_.get() + end_, capacity_ - end_};
    }
    void commit(std::size_t bytes) { end_ += bytes; }
    void consume(std::size_t bytes) {
        begin_ += bytes;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    /// Gives the memory back when nothing is held and it has grown beyond `bytes`.
    void shrink(std::size_t bytes) {
        if (size() > 0 || capacity_ <= bytes) return;
        data_.reset();
        capacity_ = begin_ = end_ = 0;
    }

  private:
    std::unique_ptr<char[]> data_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace reelfs::http
