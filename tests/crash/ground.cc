#include "crash/ground.h"

#include <fmt/format.h>

#include "core/tree_impl.h"
#include "crash/observed.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::test {

namespace {

Result<void> with_file(core::Tree& tree, NodeId folder, int name, core::OpenFlags flags,
                       const std::function<Result<void>(core::OpenFile&)>& act) {
    RF_TRY(Attributes at, tree.lookup(folder, kNames[static_cast<std::size_t>(name)]));
    RF_TRY(auto file, tree.open(at.node, flags));
    auto result = act(*file);
    if (result) result = tree.flush(*file);
    tree.release(file);
    return result;
}

Result<void> write_at(core::Tree& tree, NodeId folder, int name,
                      std::optional<std::uint64_t> offset, const std::vector<std::byte>& bytes) {
    RF_TRY(Attributes at, tree.lookup(folder, kNames[static_cast<std::size_t>(name)]));
    return with_file(tree, folder, name, {.write = true}, [&](core::OpenFile& file) {
        return tree.write({}, file, offset.value_or(at.size), bytes);
    });
}

Result<void> resize(core::Tree& tree, NodeId folder, int name, std::optional<std::uint64_t> size) {
    RF_TRY(Attributes at, tree.lookup(folder, kNames[static_cast<std::size_t>(name)]));
    core::AttributeChange change;
    change.size = size.value_or(at.size + kExtendBy);
    RF_TRY([[maybe_unused]] auto changed, tree.change({}, at.node, change));
    return done();
}

Result<void> clone(core::Tree& tree, NodeId folder, int name) {
    if (!tree.lookup(folder, kNames[static_cast<std::size_t>(1 - name)])) {
        RF_TRY(auto made, tree.create({}, folder, kNames[static_cast<std::size_t>(1 - name)], 0644,
                                      {.write = true}));
        tree.release(made.file);
    }
    return with_file(tree, folder, name, {.read = true}, [&](core::OpenFile& source) {
        return with_file(
            tree, folder, 1 - name, {.write = true}, [&](core::OpenFile& target) -> Result<void> {
                RF_TRY(Attributes at, tree.attributes(tree.node_of(source)));
                RF_TRY(std::uint64_t count, tree.copy_range({}, source, 0, target, 0, at.size));
                if (count != at.size) return Error(Errc::kIo, "copied in part");
                return done();
            });
    });
}

Result<void> put(core::Tree& tree, int name, const std::vector<std::byte>& bytes) {
    core::UploadOptions options;
    options.ticket = tree.draw_ticket();
    RF_TRY(auto upload, tree.begin_upload("c", {kNames[static_cast<std::size_t>(name)]}, options));
    RF_CHECK(upload->append(bytes));
    upload->complete();
    RF_CHECK(upload->make_durable());
    const std::array<std::byte, 32> sha256{};
    RF_TRY([[maybe_unused]] auto uploaded, upload->publish(sha256));
    return done();
}

/// What the name leads to: its bytes, or nothing.
Result<std::optional<std::vector<std::byte>>> shown(core::Tree& tree, NodeId folder,
                                                    const std::string& name) {
    std::optional<std::vector<std::byte>> bytes;
    auto at = tree.lookup(folder, name);
    if (!at && at.error().code() == Errc::kNotFound) return bytes;
    RF_CHECK(at);
    RF_TRY(auto file, tree.open(at->node, {.read = true}));
    bytes.emplace(at->size);
    auto count = tree.read(*file, 0, *bytes);
    tree.release(file);
    RF_CHECK(count);
    bytes->resize(*count);
    return bytes;
}

/// A STREAMING upload of the first half of `bytes`, which its name then leads to.
Result<std::unique_ptr<core::Upload>> grow(core::Tree& tree, const Components& path, Bytes bytes) {
    core::UploadOptions options;
    options.ticket = tree.draw_ticket();
    options.streaming = true;
    RF_TRY(auto upload, tree.begin_upload("c", path, options));
    RF_CHECK(upload->append(bytes.first(bytes.size() / 2)));
    return upload;
}

Result<void> expect_shown(core::Tree& tree, NodeId folder, const std::string& name,
                          const std::optional<std::vector<std::byte>>& expected) {
    RF_TRY(auto found, shown(tree, folder, name));
    if (found != expected) return Error(Errc::kCorrupt, name + " leads to other bytes");
    return done();
}

Result<void> stream(core::Tree& tree, NodeId folder, int name,
                    const std::vector<std::byte>& bytes) {
    const std::string& own = kNames[static_cast<std::size_t>(name)];
    const auto half = static_cast<std::ptrdiff_t>(bytes.size() / 2);
    RF_TRY(auto upload, grow(tree, {own}, bytes));
    RF_CHECK(expect_shown(tree, folder, own, std::vector(bytes.begin(), bytes.begin() + half)));
    RF_CHECK(tree.sync_metadata());  // that it grows is durable; nobody may find it by that
    RF_CHECK(upload->append(Bytes(bytes).subspan(bytes.size() / 2)));
    upload->complete();
    RF_CHECK(upload->make_durable());
    const std::array<std::byte, 32> sha256{};
    RF_TRY([[maybe_unused]] auto uploaded, upload->publish(sha256));
    return done();
}

Result<void> stream_fails(core::Tree& tree, NodeId folder, int name,
                          const std::vector<std::byte>& bytes) {
    const std::string& own = kNames[static_cast<std::size_t>(name)];
    RF_TRY(auto before, shown(tree, folder, own));
    const std::vector<std::byte> half(
        bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2));
    {
        RF_TRY(auto upload, grow(tree, {own}, bytes));
        RF_TRY(auto in_folder, grow(tree, {"made", own}, bytes));
        RF_TRY(Attributes made, tree.lookup(folder, "made"));
        RF_CHECK(expect_shown(tree, folder, own, half));
        RF_CHECK(expect_shown(tree, made.node, own, half));
        RF_CHECK(tree.sync());  // their bytes and that they grow are durable, to no avail
        RF_CHECK(upload->append(half));
    }
    return expect_shown(tree, folder, own, before);
}

}  // namespace

Result<void> take_away_expired(core::Tree& tree) {
    // One by one, so that the power is cut between any two.
    while (true) {
        RF_TRY(auto expired, static_cast<core::TreeImpl&>(tree).expire_due(1));
        if (!expired.more) return done();
    }
}

Result<void> run_step(core::Tree& tree, NodeId folder, const Step& step, std::size_t number) {
    const std::string& own = kNames[static_cast<std::size_t>(step.name)];
    const std::string& other = kNames[static_cast<std::size_t>(1 - step.name)];
    switch (step.kind) {
        case Kind::kCreate: {
            RF_TRY(auto made, tree.create({}, folder, own, 0644, {.write = true}));
            auto flushed = tree.flush(*made.file);
            tree.release(made.file);
            return flushed;
        }
        case Kind::kAppend:
            return write_at(tree, folder, step.name, {}, bytes_of_step(number, kAppendBytes));
        case Kind::kAppendSmall:
            return write_at(tree, folder, step.name, {}, bytes_of_step(number, kAppendSmallBytes));
        case Kind::kOverwrite:
            return write_at(tree, folder, step.name, kOverwriteAt,
                            bytes_of_step(number, kOverwriteBytes));
        case Kind::kFillHole:
            return write_at(tree, folder, step.name, kFillAt, bytes_of_step(number, kFillBytes));
        case Kind::kTruncate:
            return resize(tree, folder, step.name, kTruncateTo);
        case Kind::kExtend:
            return resize(tree, folder, step.name, {});
        case Kind::kRename:
            return tree.rename(folder, own, folder, other, core::RenameMode::kReplace);
        case Kind::kLink: {
            RF_TRY(Attributes at, tree.lookup(folder, own));
            RF_TRY([[maybe_unused]] auto linked, tree.link(at.node, folder, other));
            return done();
        }
        case Kind::kUnlink:
            return tree.unlink(folder, own);
        case Kind::kClone:
            return clone(tree, folder, step.name);
        case Kind::kPut:
            return put(tree, step.name, bytes_of_step(number, kAppendBytes));
        case Kind::kStream:
            return stream(tree, folder, step.name, bytes_of_step(number, kAppendBytes));
        case Kind::kStreamFails:
            return stream_fails(tree, folder, step.name, bytes_of_step(number, kAppendBytes));
        case Kind::kPass:
            return done();
        case Kind::kExpire:
            return take_away_expired(tree);
        case Kind::kFsync:
            return with_file(tree, folder, step.name, {.read = true},
                             [&](core::OpenFile& file) { return tree.fsync(file); });
        case Kind::kSyncFolder:
            return tree.sync_metadata();
        case Kind::kRestart:
            return Error(Errc::kInvalid, "a restart is not the tree's to do");
    }
    return Error(Errc::kInvalid, "no such step");
}

Ground make_ground(SeededRandom& random, Rule rule) {
    log::to_file("/dev/null");  // thousands of stores that were cut or that fail have much to say
    Ground ground;
    SimDisk disk;
    disk.set_thin();
    disk.prepare("/data");
    ManualClock clock;
    create_test_store(disk, {disk, random, clock});
    auto volume = must(open_volume(disk, random, clock));
    core::Tree& tree = volume->tree();
    const NodeId folder =
        must(tree.create_container({}, "c", {.mode = 0755, .block_bytes = 4096, .profile = {}}))
            .root;
    if (rule == Rule::kTransient)
        must(tree.put_document(
            "c", DocumentKind::kLifecycle,
            fmt::format(R"({{"rules":[{{"definition":{{"path":[{{"wildcard":"{}"}}],
                "seconds_since_create":[{{"numeric":[">=",{}]}}]}},"action":"EXPIRE"}}]}})",
                        kNames[1], kExpiresAfterMs / 1'000)));
    const auto bytes = first_bytes();
    auto file = must(tree.create({}, folder, "a", 0644, {.write = true})).file;
    must(tree.write({}, *file, 0, Bytes(bytes).first(kHoleAt)));
    must(tree.write({}, *file, kHoleAt + kHoleBytes, Bytes(bytes).subspan(kHoleAt + kHoleBytes)));
    must(tree.fsync(*file));
    tree.release(file);
    ground.initial.names["a"] = 0;
    ground.initial.files[0] = {bytes, bytes.size(), must(tree.lookup(folder, "a")).modified.ns, {}};
    ground.initial.rule = rule;
    must(volume->close());
    volume.reset();
    ground.disk = disk.crash(Crash::kWritten, random);
    return ground;
}

}  // namespace reelfs::test
