#include "crash/ground.h"

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

}  // namespace

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

Ground make_ground(SeededRandom& random) {
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
    const auto bytes = first_bytes();
    auto file = must(tree.create({}, folder, "a", 0644, {.write = true})).file;
    must(tree.write({}, *file, 0, Bytes(bytes).first(kHoleAt)));
    must(tree.write({}, *file, kHoleAt + kHoleBytes, Bytes(bytes).subspan(kHoleAt + kHoleBytes)));
    must(tree.fsync(*file));
    tree.release(file);
    ground.initial.names["a"] = 0;
    ground.initial.files[0] = {bytes, bytes.size(), must(tree.lookup(folder, "a")).modified.ns};
    must(volume->close());
    volume.reset();
    ground.disk = disk.crash(Crash::kWritten, random);
    return ground;
}

}  // namespace reelfs::test
