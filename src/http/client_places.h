// How much each client has at once: connections, or, behind a trusted proxy that carries many
// clients over few connections, requests. One client is one IPv4 address, or one IPv6 /64: whoever
// has one address there has them all.
//
// Thread-safe; a leaf lock. Bounded by what it counts: a client with nothing has no entry.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include "reelfs/base/mutex.h"
#include "reelfs/http/address.h"

namespace reelfs::http {

class ClientPlaces {
  public:
    /// One place, given back when it goes.
    class Place {
      public:
        Place() = default;
        Place(Place&& other) noexcept
            : places_(std::exchange(other.places_, nullptr)), client_(other.client_) {}
        Place& operator=(Place&& other) noexcept {
            if (places_ != nullptr) places_->leave(client_);
            places_ = std::exchange(other.places_, nullptr);
            client_ = other.client_;
            return *this;
        }
        ~Place() {
            if (places_ != nullptr) places_->leave(client_);
        }

      private:
        friend class ClientPlaces;
        Place(ClientPlaces& places, const IpAddress& client) : places_(&places), client_(client) {}
        ClientPlaces* places_ = nullptr;
        IpAddress client_;
    };

    explicit ClientPlaces(std::size_t max_each) : max_each_(max_each) {}

    /// Nothing when this client has as many as it may.
    std::optional<Place> try_enter(const IpAddress& address) EXCLUDES(mutex_) {
        constexpr unsigned kV6Bits = 64;
        const IpAddress client = address.is_v4() ? address : address.network(kV6Bits);
        MutexLock lock(mutex_);
        std::size_t& count = counts_[client];
        if (count >= max_each_) return std::nullopt;  // it is not 0, so its entry is another's too
        ++count;
        return Place(*this, client);
    }

  private:
    void leave(const IpAddress& client) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        const auto found = counts_.find(client);
        if (--found->second == 0) counts_.erase(found);
    }

    const std::size_t max_each_;
    Mutex mutex_;
    std::map<IpAddress, std::size_t> counts_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::http
