// Tree: objects as HTTP reads them. Resolution under policy, snapshots of finished files, followers
// of growing ones.
#include <algorithm>

#include "core/tree_impl.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"
#include "reelfs/policy/access.h"
#include "reelfs/policy/anonymous.h"

namespace reelfs::core {

using catalog::NodeRow;
using catalog::Reader;

/// One version of one file. It counts as a handle of its node, so that the content stays while it
/// is read.
class ObjectReaderImpl final : public ObjectReader {
  public:
    ObjectReaderImpl(TreeImpl& tree, std::shared_ptr<Node> node, ObjectHeaders headers,
                     Delivery delivery)
        : tree_(tree),
          node_(std::move(node)),
          headers_(std::move(headers)),
          delivery_(std::move(delivery)) {
        auto pinned = std::make_shared<Pinned>(tree.context_.holds);
        MutexLock lock(node_->mutex);
        attributes_ = node_->live();
        following_ = node_->growing;
        cuts_ = node_->cuts;
        if (following_) {
            ++node_->followers;
        } else {
            etag_ = node_->row.etag;
            pinned->map = node_->map;
        }
        MutexLock own(mutex_);
        pinned_ = std::move(pinned);
    }
    ~ObjectReaderImpl() override { tree_.drop_reader(node_, following_); }

    const Attributes& attributes() const override { return attributes_; }
    ETag etag() const override { return etag_; }
    std::string mime_type() const override { return headers_.mime_type; }
    std::string cache_control() const override { return headers_.cache_control; }

    Delivery delivery() const override { return delivery_; }

    State state() const override {
        if (!following_) return {attributes_.size, false, false};
        MutexLock lock(node_->mutex);
        return {node_->size, node_->growing, node_->cuts != cuts_ || node_->failed.has_value()};
    }

    bool being_written() const override {
        MutexLock lock(node_->mutex);
        return node_->writers > 0;
    }

    Result<void> read(std::uint64_t offset, std::size_t length, Pins& out) override {
        if (!following_) {
            if (!exists(offset, length)) return beyond();
            const auto pinned = this->pinned();
            return tree_.files_.pin_map(*pinned->map, offset, length, out);
        }
        // Its newest bytes may still be changed where they are: a copy.
        Buffer copy(length);
        RF_TRY(const std::size_t n,
               tree_.files_.read(*node_, offset, copy.span(), content::Caching::kKeep));
        if (state().cut) return Error(Errc::kCancelled, "the file changed while it was followed");
        if (n < length) return beyond();
        append(std::move(copy), out);
        return done();
    }

    bool read_cached(std::uint64_t offset, std::size_t length, Pins& out) override {
        const std::size_t before = out.size();
        if (!following_) {
            if (exists(offset, length) &&
                tree_.files_.pin_map_cached(*pinned()->map, offset, length, out))
                return true;
            out.resize(before);
            return false;
        }
        Buffer copy(length);
        const auto n = tree_.files_.read_cached(*node_, offset, copy.span());
        if (n != length || state().cut) return false;
        append(std::move(copy), out);
        return true;
    }

    std::shared_ptr<void> wait_beyond(std::uint64_t size, std::function<void()> wake) override {
        auto watcher = std::make_shared<Watcher>();
        watcher->size = size;
        watcher->cuts = cuts_;
        watcher->wake = std::move(wake);
        bool now = true;
        {
            MutexLock lock(node_->mutex);
            if (following_ && node_->growing && node_->size <= size && node_->cuts == cuts_ &&
                !node_->failed) {
                node_->watchers.push_back(watcher);
                now = false;
            }
        }
        if (now) wake_all({watcher});
        return std::shared_ptr<void>(watcher.get(), [node = node_, watcher](void*) {
            {
                MutexLock lock(watcher->mutex);
                watcher->fired = true;
            }
            MutexLock lock(node->mutex);
            node->watchers.remove(watcher);
        });
    }

    bool renew() override {
        auto fresh = std::make_shared<Pinned>(tree_.context_.holds);
        MutexLock lock(node_->mutex);
        const bool named = node_->row.attributes.links > 0;
        if (!following_) {
            // Where the same content stands now: it may have been shared, or sealed again.
            const bool same = etag_.none() ? node_->map == pinned()->map : node_->row.etag == etag_;
            if (!same) return false;
            fresh->map = node_->map;
        }
        MutexLock own(mutex_);
        pinned_ = std::move(fresh);
        return named || node_->growing;
    }

  private:
    /// What is read, and the hold that keeps it where it is. A read keeps those it began with.
    struct Pinned {
        explicit Pinned(Holds& holds) : hold(holds) {}
        const Holds::Hold hold;              // begun before `map` was looked at
        std::shared_ptr<const FileMap> map;  // of a finished file
    };
    std::shared_ptr<const Pinned> pinned() const {
        MutexLock own(mutex_);
        return pinned_;
    }

    bool exists(std::uint64_t offset, std::size_t length) const {
        return offset <= attributes_.size && length <= attributes_.size - offset;
    }
    static Error beyond() { return Error(Errc::kIo, "an object is shorter than its size says"); }
    static void append(Buffer copy, Pins& out) {
        auto owner = std::make_shared<const Buffer>(std::move(copy));
        out.push_back({owner, owner->span()});
    }

    TreeImpl& tree_;
    const std::shared_ptr<Node> node_;
    const ObjectHeaders headers_;
    const Delivery delivery_;
    Attributes attributes_;
    ETag etag_;
    bool following_ = false;
    std::uint64_t cuts_ = 0;
    mutable Mutex mutex_;  // after Node::mutex
    std::shared_ptr<const Pinned> pinned_ GUARDED_BY(mutex_);
};

struct TreeImpl::Resolved {
    Attributes file;
    ObjectHeaders headers;
};

Result<TreeImpl::Resolved> TreeImpl::resolve_object(const AccessRequest& request,
                                                    std::string_view container,
                                                    const Components& path, const WatchPtr& watch) {
    const auto await = [&](NodeId folder, std::string_view name) {
        if (watch != nullptr) watches_.add(watch, folder, name);
    };
    const Error refused(Errc::kAccessDenied,
                        request.principal.is_anonymous()
                            ? "anonymous requests may read what everybody may, from this machine "
                              "only"
                            : "this principal may not read here");
    const Error absent(Errc::kNotFound, "no such object");
    // A peer that may read nothing learns nothing, not even what exists.
    Attributes open_to_all;
    open_to_all.type = NodeType::kDirectory;
    open_to_all.mode = 0777;
    const AnonymousPeer& peer = request.peer;
    const bool by_bits = request.principal.is_anonymous();
    if (by_bits && !policy::anonymous_may_search(peer, std::span(&open_to_all, 1))) return refused;

    Resolved resolved;
    std::vector<Attributes> chain;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        await(kRootNode, container);
        RF_TRY(auto root_id, r.entry(kRootNode, container));
        if (!root_id) return request.principal.grant ? refused : absent;
        RF_TRY(NodeRow root, require(r, *root_id));
        context_.nodes.adopt(root);
        const auto denied = [&](const Components& where) {
            return policy::decide(request, root.attributes.container, where) ==
                   policy::Decision::kDenied;
        };
        if (denied(path)) return refused;
        // The names still to follow, last first; links put theirs on top.
        std::vector<std::string> rest(path.rbegin(), path.rend());
        std::vector<NodeRow> parents{root};
        Components walked;  // the names of `parents` below the root, then that of a file
        NodeRow at = root;
        int hops = 0;
        while (!rest.empty()) {
            const std::string name = std::move(rest.back());
            rest.pop_back();
            if (name.empty() || name == ".") continue;
            if (name == "..") {
                if (parents.size() <= 1) return absent;  // a link that leads out of its container
                parents.pop_back();
                walked.pop_back();
                continue;
            }
            const NodeRow& parent = parents.back();
            await(parent.attributes.node, name);
            RF_TRY(auto id, entry(r, parent.attributes.node, name));
            // Every directory walked, also on the way to a link's target, must be searchable.
            if (by_bits && !policy::anonymous_may_search(peer, std::span(&parent.attributes, 1)))
                return refused;
            if (!id) return absent;
            RF_TRY(at, require(r, *id));
            if (!visible(at.attributes)) return absent;
            if (at.attributes.is_directory()) {
                context_.nodes.adopt(at);
                parents.push_back(at);
                walked.push_back(name);
            } else if (at.attributes.type == NodeType::kSymlink) {
                if (++hops > limits::symlink_hops_max)
                    return Error(Errc::kLoop, "too many symbolic links");
                if (at.symlink_target.starts_with('/'))
                    return absent;  // only relative links are followed
                std::string_view target = at.symlink_target;
                std::vector<std::string> names;
                while (!target.empty()) {
                    const std::size_t slash = std::min(target.find('/'), target.size());
                    names.emplace_back(target.substr(0, slash));
                    target.remove_prefix(std::min(slash + 1, target.size()));
                }
                rest.insert(rest.end(), names.rbegin(), names.rend());
            } else if (!rest.empty()) {
                return absent;  // a file in the middle of a path
            } else {
                walked.push_back(name);
            }
        }
        // A link is followed only where its target may be asked for as well.
        if (hops > 0 && denied(walked)) return refused;
        for (const NodeRow& parent : parents) chain.push_back(parent.attributes);
        if (!at.attributes.is_file() || path.empty()) return absent;
        resolved.file = at.attributes;
        if (watch != nullptr) watches_.add(watch, at.attributes.node);
        if (at.has_xattrs) {
            RF_TRY(auto type, r.xattr(at.attributes.node, "user.mime_type"));
            if (type) resolved.headers.mime_type = text_of(*type);
            RF_TRY(auto rule, r.xattr(at.attributes.node, "user.cache_control"));
            if (rule) resolved.headers.cache_control = text_of(*rule);
        }
        // In memory, for open_object_cached(). Under the connection lock nothing overtakes this.
        const auto node = context_.nodes.adopt(at);
        MutexLock lock(node->mutex);
        node->headers = resolved.headers;
        return done();
    }));
    if (by_bits && !policy::anonymous_may_read(peer, chain, resolved.file)) return refused;
    return resolved;
}

Delivery TreeImpl::delivery_of(ContainerId container, const Components& path) const {
    const auto rules = context_.documents.of(container)->delivery;
    if (rules == nullptr) return {};
    return policy::decide_delivery(*rules, policy::joined_path(path));
}

Absence TreeImpl::absence(std::string_view container, const Components& path) {
    Absence absence;
    auto looked = context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(NodeRow folder, container_root(r, container));
        absence.delivery = delivery_of(folder.attributes.container, path);
        for (const std::string& name : path) {
            RF_TRY(auto id, r.entry(folder.attributes.node, name));
            if (!id) break;
            RF_TRY(NodeRow next, require(r, *id));
            if (!next.attributes.is_directory()) break;
            folder = std::move(next);
        }
        absence.beneath_live_folder = context_.clock.now().ns - folder.attributes.modified.ns <
                                      limits::live_folder_ms * 1'000'000;
        return done();
    });
    if (!looked && looked.error().code() != Errc::kNotFound)
        log::warning("what may be said of an absent object is not known: {}",
                     looked.error().message());
    return absence;
}

bool TreeImpl::may_access(const AccessRequest& request, std::string_view container_name,
                          const Components& path) {
    const auto found = container(container_name);
    const ContainerId id = found ? found->container : kNoContainer;
    return policy::decide(request, id, path) == policy::Decision::kAllowed;
}

Result<std::shared_ptr<ObjectReader>> TreeImpl::open_object(const AccessRequest& request,
                                                            std::string_view container,
                                                            const Components& path) {
    return open_watched(request, container, path, nullptr);
}

Tree::WatchedObject TreeImpl::watch_object(const AccessRequest& request, std::string_view container,
                                           const Components& path, std::function<void()> wake) {
    auto watch = watches_.watch(std::move(wake));
    std::shared_ptr<void> token(watch.get(), [watch](void*) { watch->cancel(); });
    return {open_watched(request, container, path, watch), std::move(token)};
}

Result<std::shared_ptr<ObjectReader>> TreeImpl::open_watched(const AccessRequest& request,
                                                             std::string_view container,
                                                             const Components& path,
                                                             const WatchPtr& watch) {
    // The file that a name led to may be replaced, and be gone, before it is held. Then the name
    // leads to another one: look again. Each round means that somebody else's rename succeeded.
    while (true) {
        RF_TRY(Resolved resolved, resolve_object(request, container, path, watch));
        auto loaded = load(resolved.file.node);
        if (!loaded && loaded.error().code() == Errc::kStale) continue;
        RF_TRY(auto node, std::move(loaded));
        RF_CHECK(files_.ensure_map(*node));
        bool dirty = false;
        {
            MutexLock lock(node->mutex);
            // An upload that was shown a moment ago and has been given up, or hidden, since.
            const bool unseen =
                node->upload == Node::Upload::kAborted || node->upload == Node::Upload::kHidden;
            if (node->deleting || unseen) continue;
            ++node->handles;
            dirty = !node->growing && (!node->runs.empty() || !node->batches.empty());
        }
        // A file that is open for change is served as it is now: what was written is sealed and
        // committed first.
        if (dirty) {
            if (auto drained = files_.drain(node); !drained) {
                drop_reader(node, false);
                return std::move(drained).error();
            }
        }
        return std::shared_ptr<ObjectReader>(std::make_shared<ObjectReaderImpl>(
            *this, node, std::move(resolved.headers), delivery_of(resolved.file.container, path)));
    }
}

std::shared_ptr<ObjectReader> TreeImpl::open_object_cached(const AccessRequest& request,
                                                           std::string_view container,
                                                           const Components& path) {
    if (path.empty()) return nullptr;
    auto known = [&](NodeId parent, std::string_view name) -> std::shared_ptr<Node> {
        auto id = upload_names_.find(parent, name);
        if (!id) id = context_.catalog.known_entry(parent, name);
        return id ? context_.nodes.find(*id) : nullptr;
    };
    std::shared_ptr<Node> node = known(kRootNode, container);
    if (node == nullptr) return nullptr;
    const bool by_bits = request.principal.is_anonymous();
    ContainerId id;
    {
        MutexLock lock(node->mutex);
        id = node->row.attributes.container;
    }
    // Links, refusals and what is absent are open_object()'s to answer.
    if (policy::decide(request, id, path) == policy::Decision::kDenied) return nullptr;
    Attributes parent;
    for (const std::string& name : path) {
        if (node == nullptr) return nullptr;
        {
            MutexLock lock(node->mutex);
            parent = node->row.attributes;
        }
        if (!visible(parent)) return nullptr;
        if (by_bits && !policy::anonymous_may_search(request.peer, std::span(&parent, 1)))
            return nullptr;
        node = known(node->id, name);
    }
    if (node == nullptr) return nullptr;
    ObjectHeaders headers;
    {
        MutexLock lock(node->mutex);
        if (node->is_unseen_upload()) return nullptr;
        const Attributes& file = node->row.attributes;
        if (!file.is_file() || !visible(file) || node->deleting || node->map == nullptr)
            return nullptr;
        if (by_bits && !policy::anonymous_may_read(request.peer, std::span(&parent, 1), file))
            return nullptr;
        if (node->row.has_xattrs && !node->headers) return nullptr;
        // Open for change: what was written must be committed first.
        if (!node->growing && (!node->runs.empty() || !node->batches.empty())) return nullptr;
        headers = node->headers.value_or(ObjectHeaders{});
        ++node->handles;
    }
    return std::make_shared<ObjectReaderImpl>(*this, node, std::move(headers),
                                              delivery_of(id, path));
}

}  // namespace reelfs::core
