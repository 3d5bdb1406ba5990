#include "http/window_budget.h"

#include <algorithm>
#include <utility>

namespace reelfs::http {

Window::Window(Window&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      buffer_(std::move(other.buffer_)),
      size_(std::exchange(other.size_, 0)) {}

Window& Window::operator=(Window&& other) noexcept {
    if (this != &other) {
        reset();
        budget_ = std::exchange(other.budget_, nullptr);
        buffer_ = std::move(other.buffer_);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

void Window::reset() {
    size_ = 0;
    if (budget_ != nullptr) std::exchange(budget_, nullptr)->give_back(std::move(buffer_));
}

WindowBudget::WindowBudget(std::size_t bytes_max, std::size_t window_bytes, std::size_t spare_max)
    : bytes_max_(bytes_max), window_bytes_(window_bytes), spare_max_(spare_max) {}

Window WindowBudget::try_take(std::size_t bytes) {
    Buffer buffer;
    {
        MutexLock lock(mutex_);
        if (closed_ || !waiters_.empty() || in_use_ + bytes > bytes_max_) return {};
        in_use_ += bytes;
        buffer = take_spare(bytes);
    }
    if (buffer.empty()) buffer = Buffer(bytes);
    return Window(this, std::move(buffer), bytes);
}

void WindowBudget::take(std::size_t bytes, Grant granted) {
    bytes = std::min(bytes, bytes_max_);  // what could never be granted would wait for ever
    if (Window window = try_take(bytes)) return granted(std::move(window));
    {
        MutexLock lock(mutex_);
        if (!closed_) {
            // Room may have come back since; the next give_back finds this waiter, and there is a
            // next one because somebody holds the memory.
            if (!waiters_.empty() || in_use_ + bytes > bytes_max_) {
                waiters_.push_back({bytes, std::move(granted)});
                return;
            }
            in_use_ += bytes;
        } else {
            bytes = 0;
        }
    }
    granted(bytes == 0 ? Window() : Window(this, Buffer(bytes), bytes));
}

bool WindowBudget::contended() const {
    MutexLock lock(mutex_);
    return !waiters_.empty();
}

std::size_t WindowBudget::in_use() const {
    MutexLock lock(mutex_);
    return in_use_;
}

void WindowBudget::close() {
    std::deque<Waiter> waiters;
    {
        MutexLock lock(mutex_);
        closed_ = true;
        waiters.swap(waiters_);
    }
    for (Waiter& waiter : waiters) waiter.granted(Window());
}

Buffer WindowBudget::take_spare(std::size_t bytes) {
    if (bytes != window_bytes_ || spare_.empty()) return {};
    Buffer buffer = std::move(spare_.back());
    spare_.pop_back();
    return buffer;
}

void WindowBudget::give_back(Buffer buffer) {
    std::vector<Waiter> served;
    {
        MutexLock lock(mutex_);
        in_use_ -= buffer.size();
        if (buffer.size() == window_bytes_ && spare_.size() < spare_max_)
            spare_.push_back(std::move(buffer));
        while (!waiters_.empty() && in_use_ + waiters_.front().bytes <= bytes_max_) {
            in_use_ += waiters_.front().bytes;
            served.push_back(std::move(waiters_.front()));
            waiters_.pop_front();
        }
    }
    for (Waiter& waiter : served) waiter.granted(Window(this, Buffer(waiter.bytes), waiter.bytes));
}

}  // namespace reelfs::http
