// Who waits for a name to lead elsewhere: a request held until its playlist has the next part, or
// until its segment is there. A watch looks at places: names in folders, and files that are being
// written. Whoever changes one tells so after the change has been published; a watch that lies
// there is called once.
//
// No change is missed by a waiter that registers a place first and looks at it then. Costs nothing
// while nobody waits. Thread-safe; changed() and settled() call the waiters outside the lock, which
// is a leaf.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "reelfs/base/mutex.h"
#include "reelfs/model/ids.h"

namespace reelfs::core {

class NameWatches {
  public:
    class Watch;

    /// `wake` is called once, from any thread. Dropping the watch cancels: after the drop has
    /// returned it does not run. The watch must not outlive this.
    std::shared_ptr<Watch> watch(std::function<void()> wake);
    /// To be called when this name is given, taken, or given to another.
    void add(const std::shared_ptr<Watch>& watch, NodeId folder, std::string_view name)
        EXCLUDES(mutex_);
    /// To be called when this file's last writer has gone.
    void add(const std::shared_ptr<Watch>& watch, NodeId file) EXCLUDES(mutex_);

    void changed(NodeId folder, std::string_view name) EXCLUDES(mutex_);
    void settled(NodeId file) EXCLUDES(mutex_);

  private:
    struct Place {
        NodeId node;
        std::string name;  // "" for the file itself: no name is empty
        bool operator==(const Place&) const = default;
    };
    struct PlaceHash {
        std::size_t operator()(const Place& place) const {
            return std::hash<NodeId>{}(place.node) * 31 + std::hash<std::string>{}(place.name);
        }
    };

    void add_place(Watch& watch, Place place) EXCLUDES(mutex_);
    void call(const Place& place) EXCLUDES(mutex_);
    void remove(Watch& watch) EXCLUDES(mutex_);

    std::atomic<std::size_t> count_{0};  // of places with watches
    Mutex mutex_;
    std::unordered_map<Place, std::unordered_map<Watch*, std::weak_ptr<Watch>>, PlaceHash> places_
        GUARDED_BY(mutex_);
};

class NameWatches::Watch : public std::enable_shared_from_this<NameWatches::Watch> {
  public:
    Watch(NameWatches& all, std::function<void()> wake) : all_(all), wake_(std::move(wake)) {}
    ~Watch() { all_.remove(*this); }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    /// No call begins after this, and none runs when it has returned.
    void cancel() EXCLUDES(mutex_);

  private:
    friend class NameWatches;
    void wake() EXCLUDES(mutex_);

    NameWatches& all_;
    std::vector<Place> places_;  // guarded by all_.mutex_
    Mutex mutex_;                // held while wake_ runs, so that cancelling waits for it
    std::function<void()> wake_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::core
