// The calls of the simulated disk: each counts itself and asks the hook without the lock, then does
// its work under it.
#include "support/sim_disk.h"

#include <xxhash.h>

#include <algorithm>
#include <functional>
#include <set>
#include <stdexcept>
#include <utility>

#include "support/sim_state.h"

namespace reelfs::test {

namespace {

class SimFile final : public File {
  public:
    SimFile(std::shared_ptr<State> state, NodePtr node, std::string path, bool writable)
        : state_(std::move(state)),
          node_(std::move(node)),
          path_(std::move(path)),
          writable_(writable) {}
    ~SimFile() override {
        MutexLock lock(state_->mutex);
        --node_->opens;
        --state_->open_files;
        state_->release_if_gone(*node_);
    }

    Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) const override {
        if (auto fault = enter(DiskCall::kRead, offset, out.size()))
            return error_at(fault->code, "read", path_);
        MutexLock lock(state_->mutex);
        return node_->content.read(offset, out);
    }

    Result<void> write_at(std::uint64_t offset, std::span<const Bytes> pieces) override {
        std::vector<std::byte> bytes;
        for (Bytes piece : pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
        auto fault = enter(DiskCall::kWrite, offset, bytes.size());
        if (!writable_) return error_at(Errc::kBadHandle, "write", path_);
        std::optional<Errc> failure;
        if (fault) {
            failure = fault->code;
            bytes.resize(std::min<std::uint64_t>(bytes.size(), fault->written_bytes));
        }
        MutexLock lock(state_->mutex);
        // Like a page cache: whole pages go in until there is no room.
        while (!bytes.empty() && !state_->has_room(*node_, offset, bytes.size())) {
            failure = Errc::kNoSpace;
            const std::uint64_t last_page = (offset + bytes.size() - 1) / kPageBytes * kPageBytes;
            bytes.resize(last_page > offset ? last_page - offset : 0);
        }
        if (!bytes.empty()) {
            const std::uint64_t length = bytes.size();
            state_->change(*node_,
                           {Change::Kind::kWrite, 0, offset, length,
                            std::make_shared<const std::vector<std::byte>>(std::move(bytes))});
        }
        if (failure) return error_at(*failure, "write", path_);
        return done();
    }
    using File::write_at;

    Result<void> sync() override {
        std::uint64_t written = 0;
        {
            MutexLock lock(state_->mutex);
            written = state_->sequence;
        }
        auto fault = enter(DiskCall::kSync);
        if (fault && fault->power_cut) return error_at(fault->code, "sync", path_);
        MutexLock lock(state_->mutex);
        auto end = std::find_if(node_->log.begin(), node_->log.end(),
                                [&](const Change& change) { return change.sequence > written; });
        if (!fault)
            for (auto change = node_->log.begin(); change != end; ++change)
                node_->durable.apply(*change);
        node_->log.erase(node_->log.begin(), end);
        if (fault) return error_at(fault->code, "sync", path_);
        return done();
    }

    Result<std::uint64_t> size() const override {
        if (auto fault = enter(DiskCall::kSize)) return error_at(fault->code, "stat", path_);
        MutexLock lock(state_->mutex);
        return node_->content.size();
    }
    Result<void> truncate(std::uint64_t size) override {
        return change("truncate", DiskCall::kTruncate, Change::Kind::kTruncate, size, 0);
    }
    Result<void> punch(std::uint64_t offset, std::uint64_t length) override {
        return change("punch", DiskCall::kPunch, Change::Kind::kPunch, offset, length);
    }
    Result<void> allocate(std::uint64_t offset, std::uint64_t length) override {
        return change("allocate", DiskCall::kAllocate, Change::Kind::kAllocate, offset, length);
    }

    void drop_cache() override {
        MutexLock lock(state_->mutex);
        const std::uint64_t size = node_->content.size(), pages = node_->content.page_count();
        Image image = node_->durable;
        for (const Change& change : node_->log) image.apply(change);
        image.set_size(size);  // the inode is not a page
        node_->volume->pages_used += image.page_count() - pages;
        node_->content = std::move(image);
    }
    void will_need(std::uint64_t, std::uint64_t) override {}

  private:
    std::optional<DiskFault> enter(DiskCall kind, std::uint64_t offset = 0,
                                   std::uint64_t length = 0) const {
        return state_->enter({.kind = kind, .path = path_, .offset = offset, .length = length});
    }
    Result<void> change(std::string_view name, DiskCall call, Change::Kind kind,
                        std::uint64_t offset, std::uint64_t length) {
        if (auto fault = enter(call, offset, length)) return error_at(fault->code, name, path_);
        if (!writable_) return error_at(Errc::kBadHandle, name, path_);
        MutexLock lock(state_->mutex);
        if (kind == Change::Kind::kAllocate && !state_->has_room(*node_, offset, length))
            return error_at(Errc::kNoSpace, name, path_);
        // Extending by a hole reads the same.
        if (kind == Change::Kind::kAllocate && state_->thin)
            state_->change(*node_, {Change::Kind::kTruncate, 0,
                                    std::max(node_->content.size(), offset + length), 0, nullptr});
        else
            state_->change(*node_, {kind, 0, offset, length, nullptr});
        return done();
    }

    const std::shared_ptr<State> state_;
    const NodePtr node_;
    const std::string path_;
    const bool writable_;
};

}  // namespace

SimDisk::SimDisk(std::uint64_t capacity_bytes) : state_(std::make_shared<State>()) {
    MutexLock lock(state_->mutex);
    auto volume = std::make_shared<Volume>();
    volume->device = state_->next_device++;
    volume->pages_total = capacity_bytes / kPageBytes;
    state_->root = state_->make_node(true, volume);
}
SimDisk::SimDisk(std::shared_ptr<State> state) : state_(std::move(state)) {}
SimDisk::~SimDisk() = default;

void SimDisk::prepare(const std::string& path) {
    MutexLock lock(state_->mutex);
    NodePtr node = state_->root;
    for (const std::string& part : split(path)) {
        NodePtr& child = node->names[part];
        if (!child) child = state_->make_node(true, node->volume);
        node->durable_names[part] = child;
        node = child;
    }
}

void SimDisk::add_volume(const std::string& path, std::uint64_t capacity_bytes) {
    prepare(path);
    MutexLock lock(state_->mutex);
    const auto parts = split(path);
    auto volume = std::make_shared<Volume>();
    volume->device = state_->next_device++;
    volume->pages_total = capacity_bytes / kPageBytes;
    state_->find(parts, parts.size())->volume = volume;
}

void SimDisk::set_thin() {
    MutexLock lock(state_->mutex);
    state_->thin = true;
}

void SimDisk::set_hook(Hook hook) {
    MutexLock lock(state_->mutex);
    state_->hook = std::make_shared<const Hook>(std::move(hook));
}

void SimDisk::fail_nth(DiskCall kind, std::uint64_t n, DiskFault fault) {
    const std::uint64_t at = calls(kind) + n;
    set_hook([=](const CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind == kind && call.nth_of_kind == at) return fault;
        return std::nullopt;
    });
}

void SimDisk::cut_power_at(std::uint64_t n) {
    const std::uint64_t at = calls() + n;
    set_hook([=](const CallInfo& call) -> std::optional<DiskFault> {
        if (call.nth >= at) return DiskFault{.power_cut = true};
        return std::nullopt;
    });
}

std::uint64_t SimDisk::calls(DiskCall kind) const {
    MutexLock lock(state_->mutex);
    return state_->calls_of_kind[static_cast<std::size_t>(kind)];
}
std::uint64_t SimDisk::calls() const {
    MutexLock lock(state_->mutex);
    return state_->calls;
}
std::size_t SimDisk::open_files() const {
    MutexLock lock(state_->mutex);
    return state_->open_files;
}

std::vector<Pending> SimDisk::pending() const {
    return state_->pending();
}

std::unique_ptr<SimDisk> SimDisk::crash(const Cut& cut) const {
    return std::unique_ptr<SimDisk>(new SimDisk(state_->crashed(cut)));
}

std::uint64_t SimDisk::fingerprint(const std::string& below) const {
    MutexLock lock(state_->mutex);
    const auto parts = split(below);
    std::uint64_t sum = 0;
    const std::function<void(const Node&)> add = [&](const Node& node) {
        const std::uint64_t own =
            node.is_directory ? node.names.size() : node.content.fingerprint();
        const std::array<std::uint64_t, 2> words{sum, own};
        sum = XXH3_64bits(words.data(), sizeof words);
        for (const auto& [name, child] : node.names) {
            sum = XXH3_64bits_withSeed(name.data(), name.size(), sum);
            add(*child);
        }
    };
    if (const NodePtr node = state_->find(parts, parts.size())) add(*node);
    return sum;
}

std::unique_ptr<SimDisk> SimDisk::crash(Crash choice, Random& random) const {
    return std::unique_ptr<SimDisk>(new SimDisk(state_->crashed(choice, random)));
}
std::unique_ptr<SimDisk> SimDisk::kill() const {
    return std::unique_ptr<SimDisk>(new SimDisk(state_->killed()));
}

void SimDisk::damage(const std::string& path, std::uint64_t offset, Bytes bytes) {
    MutexLock lock(state_->mutex);
    const auto parts = split(path);
    NodePtr node = state_->find(parts, parts.size());
    if (!node || node->is_directory || offset + bytes.size() > node->content.size())
        throw std::invalid_argument("nothing there to damage: " + path);
    std::vector<std::byte> before(bytes.size());
    node->content.read(offset, before);
    if (std::equal(bytes.begin(), bytes.end(), before.begin()))
        throw std::invalid_argument("damage that changes nothing proves nothing: " + path);
    node->content.write(offset, bytes);
    if (offset + bytes.size() <= node->durable.size()) node->durable.write(offset, bytes);
}

void SimDisk::flip(const std::string& path, std::uint64_t offset, std::byte mask) {
    std::byte byte{};
    {
        MutexLock lock(state_->mutex);
        const auto parts = split(path);
        const NodePtr node = state_->find(parts, parts.size());
        if (node && !node->is_directory) node->content.read(offset, MutableBytes(&byte, 1));
    }
    byte ^= mask;
    damage(path, offset, Bytes(&byte, 1));
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, OpenMode mode) {
    if (auto fault = state_->enter({.kind = DiskCall::kOpen, .path = path}))
        return error_at(fault->code, "open", path);
    MutexLock lock(state_->mutex);
    RF_TRY(State::Place place, state_->place("open", path));
    if (place.node && mode == OpenMode::kCreateNew) return error_at(Errc::kExists, "open", path);
    if (place.node && place.node->is_directory) return error_at(Errc::kIsDirectory, "open", path);
    if (!place.node) {
        if (mode == OpenMode::kRead || mode == OpenMode::kReadWrite)
            return error_at(Errc::kNotFound, "open", path);
        place.node = state_->make_node(false, place.directory->volume);
        state_->set_names({{place.directory, place.name, place.node}});
    }
    ++place.node->opens;
    ++state_->open_files;
    return std::unique_ptr<File>(
        std::make_unique<SimFile>(state_, place.node, path, mode != OpenMode::kRead));
}

Result<bool> SimDisk::exists(const std::string& path) {
    if (auto fault = state_->enter({.kind = DiskCall::kExists, .path = path}))
        return error_at(fault->code, "stat", path);
    MutexLock lock(state_->mutex);
    const auto parts = split(path);
    return state_->find(parts, parts.size()) != nullptr;
}

Result<void> SimDisk::make_directory(const std::string& path) {
    if (auto fault = state_->enter({.kind = DiskCall::kMakeDirectory, .path = path}))
        return error_at(fault->code, "mkdir", path);
    MutexLock lock(state_->mutex);
    RF_TRY(State::Place place, state_->place("mkdir", path));
    if (place.node) return done();
    NodePtr node = state_->make_node(true, place.directory->volume);
    state_->set_names({{place.directory, place.name, node}});
    return done();
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) {
    if (auto fault = state_->enter({.kind = DiskCall::kList, .path = path}))
        return error_at(fault->code, "list", path);
    MutexLock lock(state_->mutex);
    RF_TRY(NodePtr directory, state_->directory_at("list", path));
    std::vector<std::string> names;
    for (const auto& [name, node] : directory->names) names.push_back(name);
    return names;
}

Result<void> SimDisk::rename(const std::string& source, const std::string& target) {
    if (auto fault = state_->enter({.kind = DiskCall::kRename, .path = source}))
        return error_at(fault->code, "rename", source);
    MutexLock lock(state_->mutex);
    RF_TRY(State::Place from, state_->place("rename", source));
    RF_TRY(State::Place to, state_->place("rename", target));
    if (!from.node) return error_at(Errc::kNotFound, "rename", source);
    if (from.node == to.node) return done();
    if (from.node->volume != to.directory->volume)
        return error_at(Errc::kCrossDevice, "rename", target);
    if (to.node && to.node->is_directory != from.node->is_directory)
        return error_at(to.node->is_directory ? Errc::kIsDirectory : Errc::kNotDirectory, "rename",
                        target);
    if (to.node && !to.node->names.empty()) return error_at(Errc::kNotEmpty, "rename", target);
    state_->set_names({{from.directory, from.name, nullptr}, {to.directory, to.name, from.node}});
    if (to.node) state_->unlink(*to.node);
    return done();
}

Result<void> SimDisk::remove(const std::string& path) {
    if (auto fault = state_->enter({.kind = DiskCall::kRemove, .path = path}))
        return error_at(fault->code, "remove", path);
    MutexLock lock(state_->mutex);
    RF_TRY(State::Place place, state_->place("remove", path));
    if (!place.node) return error_at(Errc::kNotFound, "remove", path);
    if (place.node->is_directory) return error_at(Errc::kIsDirectory, "remove", path);
    state_->set_names({{place.directory, place.name, nullptr}});
    state_->unlink(*place.node);
    return done();
}

Result<void> SimDisk::remove_directory(const std::string& path) {
    if (auto fault = state_->enter({.kind = DiskCall::kRemoveDirectory, .path = path}))
        return error_at(fault->code, "rmdir", path);
    MutexLock lock(state_->mutex);
    RF_TRY(State::Place place, state_->place("rmdir", path));
    if (!place.node) return error_at(Errc::kNotFound, "rmdir", path);
    if (!place.node->is_directory) return error_at(Errc::kNotDirectory, "rmdir", path);
    if (!place.node->names.empty()) return error_at(Errc::kNotEmpty, "rmdir", path);
    state_->set_names({{place.directory, place.name, nullptr}});
    return done();
}

Result<void> SimDisk::sync_directory(const std::string& path) {
    std::uint64_t made = 0;
    {
        MutexLock lock(state_->mutex);
        made = state_->sequence;
    }
    if (auto fault = state_->enter({.kind = DiskCall::kSyncDirectory, .path = path}))
        return error_at(fault->code, "sync", path);
    MutexLock lock(state_->mutex);
    RF_TRY(NodePtr directory, state_->directory_at("sync", path));
    // A rename ties two directories: what precedes it in the other goes along.
    std::set<const Node*> tied{directory.get()};
    std::vector<DirectoryChange> flushed, left;
    for (auto change = state_->log.rbegin(); change != state_->log.rend(); ++change) {
        const auto& edits = change->edits;
        const bool flush = change->sequence <= made &&
                           std::any_of(edits.begin(), edits.end(), [&](const auto& edit) {
                               return tied.count(edit.directory.get()) != 0;
                           });
        if (flush)
            for (const auto& edit : edits) tied.insert(edit.directory.get());
        (flush ? flushed : left).push_back(std::move(*change));
    }
    for (auto change = flushed.rbegin(); change != flushed.rend(); ++change)
        for (const auto& edit : change->edits) State::apply(edit.directory->durable_names, edit);
    state_->log.assign(std::make_move_iterator(left.rbegin()),
                       std::make_move_iterator(left.rend()));
    return done();
}

Result<DiskSpace> SimDisk::space(const std::string& path) {
    if (auto fault = state_->enter({.kind = DiskCall::kSpace, .path = path}))
        return error_at(fault->code, "statvfs", path);
    MutexLock lock(state_->mutex);
    const auto parts = split(path);
    NodePtr node = state_->find(parts, parts.size());
    if (!node) return error_at(Errc::kNotFound, "statvfs", path);
    const Volume& volume = *node->volume;
    return DiskSpace{.total_bytes = volume.pages_total * kPageBytes,
                     .free_bytes = (volume.pages_total - volume.pages_used) * kPageBytes,
                     .device = volume.device};
}

}  // namespace reelfs::test
