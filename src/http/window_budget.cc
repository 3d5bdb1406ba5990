#include "http/window_budget.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace reelfs::http {

Window::Window(Window&& other) noexcept
    : pins(std::move(other.pins)),
      budget_(std::exchange(other.budget_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Window& Window::operator=(Window&& other) noexcept {
    if (this != &other) {
        reset();
        pins = std::move(other.pins);
        budget_ = std::exchange(other.budget_, nullptr);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

void Window::reset() {
    pins.clear();
    const std::size_t counted = std::exchange(size_, 0);
    if (budget_ != nullptr) std::exchange(budget_, nullptr)->give_back(counted);
}

Window WindowBudget::try_take(std::size_t bytes) {
    MutexLock lock(mutex_);
    if (closed_ || !waiters_.empty() || in_use_ + bytes > bytes_max_) return {};
    in_use_ += bytes;
    return Window(this, bytes);
}

void WindowBudget::take(std::size_t bytes, Grant granted) {
    bytes = std::min(bytes, bytes_max_);  // what could never be granted would wait for ever
    bool closed = false;
    {
        MutexLock lock(mutex_);
        closed = closed_;
        if (!closed && (!waiters_.empty() || in_use_ + bytes > bytes_max_)) {
            waiters_.push_back({bytes, std::move(granted)});
            return;
        }
        if (!closed) in_use_ += bytes;
    }
    granted(closed ? Window() : Window(this, bytes));
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

void WindowBudget::give_back(std::size_t bytes) {
    std::vector<Waiter> served;
    {
        MutexLock lock(mutex_);
        in_use_ -= bytes;
        while (!waiters_.empty() && in_use_ + waiters_.front().bytes <= bytes_max_) {
            in_use_ += waiters_.front().bytes;
            served.push_back(std::move(waiters_.front()));
            waiters_.pop_front();
        }
    }
    for (Waiter& waiter : served) waiter.granted(Window(this, waiter.bytes));
}

}  // namespace reelfs::http
