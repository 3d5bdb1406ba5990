#include "http/challenges.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace reelfs::http {

namespace {

std::size_t hash_of(std::string_view method, std::string_view target) {
    return std::hash<std::string>{}(std::string(method).append(" ").append(target));
}

}  // namespace

std::string Challenges::asked(std::string_view method, std::string_view target,
                              std::int64_t now_ns) {
    Pending asked{now_ns, hash_of(method, target), std::string(method)};
    std::string given_up;
    MutexLock lock(mutex_);
    if (pending_.size() == pending_max_) {
        given_up = std::move(pending_.front().method);
        pending_.pop_front();
    }
    pending_.push_back(std::move(asked));
    return given_up;
}

void Challenges::answered(std::string_view method, std::string_view target) {
    const std::size_t request = hash_of(method, target);
    MutexLock lock(mutex_);
    const auto found = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& pending) {
        return pending.request == request;
    });
    if (found != pending_.end()) pending_.erase(found);
}

std::vector<std::string> Challenges::take_unanswered(std::int64_t until_ns) {
    std::vector<std::string> methods;
    MutexLock lock(mutex_);
    while (!pending_.empty() && pending_.front().asked_ns <= until_ns) {
        methods.push_back(std::move(pending_.front().method));
        pending_.pop_front();
    }
    return methods;
}

}  // namespace reelfs::http
