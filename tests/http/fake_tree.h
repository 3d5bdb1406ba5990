// A tree of objects in memory, for the HTTP door's tests: what open_object() gives can be finished
// or growing, in memory or "on disk", and its reads can be held back. Everything else of a tree is
// kUnsupported.
//
// Threads: all functions are thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "core/unsupported_tree.h"
#include "http/target.h"
#include "reelfs/base/mutex.h"
#include "reelfs/policy/access.h"
#include "reelfs/policy/cors.h"

namespace reelfs::http {

/// What all paths of a FakeTree lie in, whatever its name.
inline constexpr ContainerId kFakeContainer{4};

class FakeObject {
  public:
    void set_content(std::string content) {
        MutexLock lock(mutex_);
        content_ = std::move(content);
    }
    void set_growing() {
        MutexLock lock(mutex_);
        growing_ = true;
    }
    void append(std::string_view bytes) {
        MutexLock lock(mutex_);
        content_.append(bytes);
        wake_all();
    }
    void finish() {
        MutexLock lock(mutex_);
        growing_ = false;
        wake_all();
    }
    /// Somebody has it open for change in place.
    void set_being_written(bool now) {
        MutexLock lock(mutex_);
        being_written_ = now;
    }
    void cut() {
        MutexLock lock(mutex_);
        cut_ = true;
        wake_all();
    }
    /// Reads answer only after release_reads().
    void hold_reads() {
        in_memory = false;  // only what blocks can be held
        MutexLock lock(mutex_);
        held_ = true;
    }
    void release_reads() {
        MutexLock lock(mutex_);
        held_ = false;
        changed_.notify_all();
    }
    void wait_for_held_reads(int count) {
        MutexLock lock(mutex_);
        while (waiting_reads_ < count) changed_.wait(mutex_);
    }
    void wait_for_followers(std::size_t count) {
        MutexLock lock(mutex_);
        while (waits_.size() != count) changed_.wait(mutex_);
    }
    void wait_for_readers(int count) {
        MutexLock lock(mutex_);
        while (readers_ != count) changed_.wait(mutex_);
    }
    void fail_reads() {
        MutexLock lock(mutex_);
        fails_ = true;
    }

    std::string mime_type;
    std::string cache_control;
    Delivery delivery;
    ETag etag{{std::byte{0xab}, std::byte{0xcd}}};
    Timestamp modified = Timestamp::from_seconds(784'111'777);  // Sun, 06 Nov 1994 08:49:37 GMT
    bool in_memory = true;
    bool readable = true;
    std::atomic<bool> replaced = false;  // for readers that have it open
    std::atomic<int> renewals = 0;       // by them

  private:
    friend class FakeReader;
    struct Wait {
        std::uint64_t size;
        std::function<void()> wake;  // empty once called
    };
    void wake_all() REQUIRES(mutex_) {
        for (Wait& wait : waits_) {
            if (!wait.wake || (content_.size() <= wait.size && growing_ && !cut_)) continue;
            std::exchange(wait.wake, nullptr)();
        }
        changed_.notify_all();
    }

    Mutex mutex_;
    CondVar changed_;
    std::string content_ GUARDED_BY(mutex_);
    std::list<Wait> waits_ GUARDED_BY(mutex_);
    int readers_ GUARDED_BY(mutex_) = 0;
    int waiting_reads_ GUARDED_BY(mutex_) = 0;
    bool growing_ GUARDED_BY(mutex_) = false;
    bool being_written_ GUARDED_BY(mutex_) = false;
    bool cut_ GUARDED_BY(mutex_) = false;
    bool held_ GUARDED_BY(mutex_) = false;
    bool fails_ GUARDED_BY(mutex_) = false;
};

class FakeReader final : public core::ObjectReader {
  public:
    explicit FakeReader(std::shared_ptr<FakeObject> object) : object_(std::move(object)) {
        attributes_.modified = object_->modified;
        MutexLock lock(object_->mutex_);
        attributes_.size = object_->content_.size();
        ++object_->readers_;
        object_->changed_.notify_all();
    }
    ~FakeReader() override {
        MutexLock lock(object_->mutex_);
        --object_->readers_;
        object_->changed_.notify_all();
    }

    const Attributes& attributes() const override { return attributes_; }
    ETag etag() const override { return state().growing ? ETag{} : object_->etag; }
    std::string mime_type() const override { return object_->mime_type; }
    std::string cache_control() const override { return object_->cache_control; }
    Delivery delivery() const override { return object_->delivery; }
    bool being_written() const override {
        MutexLock lock(object_->mutex_);
        return object_->growing_ || object_->being_written_;
    }
    State state() const override {
        MutexLock lock(object_->mutex_);
        return {object_->content_.size(), object_->growing_, object_->cut_};
    }
    Result<void> read(std::uint64_t offset, std::size_t length, Pins& out) override {
        MutexLock lock(object_->mutex_);
        ++object_->waiting_reads_;
        object_->changed_.notify_all();
        while (object_->held_) object_->changed_.wait(object_->mutex_);
        --object_->waiting_reads_;
        if (object_->cut_) return Error(Errc::kCancelled, "cut");
        if (object_->fails_) return Error(Errc::kIo, "the disk is broken");
        if (!copy(offset, length, out)) return Error(Errc::kIo, "shorter than asked for");
        return done();
    }
    bool read_cached(std::uint64_t offset, std::size_t length, Pins& out) override {
        MutexLock lock(object_->mutex_);
        return object_->in_memory && copy(offset, length, out);
    }
    bool renew() override {
        ++object_->renewals;
        return !object_->replaced;
    }
    std::shared_ptr<void> wait_beyond(std::uint64_t size, std::function<void()> wake) override {
        MutexLock lock(object_->mutex_);
        object_->waits_.push_back({size, std::move(wake)});
        const auto wait = std::prev(object_->waits_.end());
        object_->wake_all();
        return {nullptr, [object = object_, wait](void*) {
                    MutexLock dropping(object->mutex_);
                    object->waits_.erase(wait);
                    object->changed_.notify_all();
                }};
    }

  private:
    /// In two pieces, so that what sends them must join pieces.
    bool copy(std::uint64_t offset, std::size_t length, Pins& out) REQUIRES(object_->mutex_) {
        if (offset + length > object_->content_.size()) return false;
        for (const std::size_t step : {length / 3, length - length / 3}) {
            Buffer piece(step);
            if (step > 0) std::memcpy(piece.data(), object_->content_.data() + offset, step);
            offset += step;
            auto owner = std::make_shared<const Buffer>(std::move(piece));
            out.push_back({owner, owner->span()});
        }
        return true;
    }

    std::shared_ptr<FakeObject> object_;
    Attributes attributes_;
};

class FakeTree final : public reelfs::test::UnsupportedTree {
  public:
    /// `path`: "/container/a/b", decoded bytes.
    std::shared_ptr<FakeObject> put(const std::string& path, std::string content) {
        return name(
            path, [](FakeObject&) {}, std::move(content));
    }
    std::shared_ptr<FakeObject> put_growing(const std::string& path, std::string content) {
        return name(
            path, [](FakeObject& object) { object.set_growing(); }, std::move(content));
    }
    /// Somebody has it open for change in place.
    std::shared_ptr<FakeObject> put_being_written(const std::string& path, std::string content) {
        return name(
            path, [](FakeObject& object) { object.set_being_written(true); }, std::move(content));
    }
    /// A name has been given or taken, or a last writer has gone: whoever watches is told.
    void tell(const std::string& path) {
        MutexLock lock(mutex_);
        for (auto& watch : watches_)
            if (watch.path == path && watch.wake) std::exchange(watch.wake, nullptr)();
    }
    void wait_for_watches(std::size_t count) {
        MutexLock lock(mutex_);
        while (watches_.size() != count) watched_.wait(mutex_);
    }

    Result<std::shared_ptr<core::ObjectReader>> open_object(const AccessRequest& request,
                                                            std::string_view container,
                                                            const Components& path) override {
        ++opens;
        const AnonymousPeer& peer = request.peer;
        if (request.principal.is_anonymous() &&
            (!peer.peer_is_loopback || !peer.host_is_local || peer.forwarded))
            return Error(Errc::kAccessDenied, "not a local peer");
        if (open_error) return Error(*open_error, "open fails, as asked");
        Components all = path;
        all.insert(all.begin(), std::string(container));
        MutexLock lock(mutex_);
        const auto found = objects_.find(path_text(all));
        if (found == objects_.end()) return Error(Errc::kNotFound, "nothing there");
        if (!found->second->readable) return Error(Errc::kAccessDenied, "not readable");
        return std::shared_ptr<core::ObjectReader>(std::make_shared<FakeReader>(found->second));
    }
    WatchedObject watch_object(const AccessRequest& request, std::string_view container,
                               const Components& path, std::function<void()> wake) override {
        Components all = path;
        all.insert(all.begin(), std::string(container));
        std::list<Watch>::iterator watch;
        {
            MutexLock lock(mutex_);
            watches_.push_back({path_text(all), std::move(wake)});
            watch = std::prev(watches_.end());
            watched_.notify_all();
        }
        std::shared_ptr<void> token(nullptr, [this, watch](void*) {
            MutexLock lock(mutex_);
            watches_.erase(watch);
            watched_.notify_all();
        });
        return {open_object(request, container, path), std::move(token)};
    }
    Absence absence(std::string_view, const Components&) override { return about_absent; }
    bool may_access(const AccessRequest& request, std::string_view,
                    const Components& path) override {
        return policy::decide(request, kFakeContainer, path) == policy::Decision::kAllowed;
    }
    std::shared_ptr<core::ObjectReader> open_object_cached(const AccessRequest& request,
                                                           std::string_view container,
                                                           const Components& path) override {
        if (!names_in_memory) return nullptr;
        auto opened = open_object(request, container, path);
        return opened ? *opened : nullptr;
    }
    std::uint64_t draw_ticket() override { return ++tickets; }
    CorsDecision decide_cors(std::string_view container,
                             const CorsRequest& request) const override {
        if (container != cors_container) return {};
        return {.has_rules = true, .grant = policy::decide_cors(cors_rules, request)};
    }
    std::optional<std::string> container_at(std::string_view endpoint_id) const override {
        const auto found = endpoints.find(std::string(endpoint_id));
        if (found == endpoints.end()) return std::nullopt;
        return found->second;
    }
    std::vector<Gauge> gauges() const override {
        return {{"reelfs_fake_objects", "Objects.", 3, false}};
    }

    std::atomic<int> opens{0};
    std::atomic<bool> names_in_memory{true};
    std::atomic<std::uint64_t> tickets{0};
    std::optional<Errc> open_error;
    std::string cors_container;
    policy::CorsRules cors_rules;
    std::map<std::string, std::string> endpoints;  // id -> container
    Absence about_absent;

  private:
    /// Whoever watches looks at once: an object is all that it shall be before it has its name.
    std::shared_ptr<FakeObject> name(const std::string& path,
                                     const std::function<void(FakeObject&)>& prepare,
                                     std::string content) {
        auto object = std::make_shared<FakeObject>();
        object->set_content(std::move(content));
        prepare(*object);
        {
            MutexLock lock(mutex_);
            objects_[path] = object;
        }
        tell(path);
        return object;
    }

    struct Watch {
        std::string path;
        std::function<void()> wake;  // empty once called
    };

    Mutex mutex_;
    CondVar watched_;
    std::map<std::string, std::shared_ptr<FakeObject>> objects_ GUARDED_BY(mutex_);
    std::list<Watch> watches_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::http
