// Exports while somebody else changes what is exported, or where it goes to.
#include "app/export.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "app/hooked_tree.h"
#include "core/test_store.h"
#include "support/temp_dir.h"

namespace reelfs::app {
namespace {

namespace fs = std::filesystem;
using reelfs::test::must;
using test::HookedTree;

/// Keeps what it is given, but for what it is to refuse.
class Recorder final : public ExportSink {
  public:
    Result<bool> begin(const Exported& entry) override {
        if (refused.contains(entry.path)) return false;
        order.push_back(entry.path);
        entries[entry.path] = entry;
        content_ = &contents[entry.path];
        if (entry.link_to.empty() && entry.attributes.is_file())
            content_->assign(entry.attributes.size, std::byte{});
        return true;
    }
    Result<void> data(std::uint64_t offset, Bytes bytes) override {
        std::copy(bytes.begin(), bytes.end(),
                  content_->begin() + static_cast<std::ptrdiff_t>(offset));
        return done();
    }
    Result<void> end() override { return done(); }
    Result<void> finish() override { return done(); }
    std::vector<std::string> problems() const override { return {}; }

    std::set<std::string> refused;
    std::vector<std::string> order;
    std::map<std::string, Exported> entries;
    std::map<std::string, std::vector<std::byte>> contents;

  private:
    std::vector<std::byte>* content_ = nullptr;
};

class Export : public ::testing::Test {
  protected:
    using Names = std::vector<std::string>;

    ExportReport run(ExportSink& sink) {
        core::Job job;
        return must(export_container(tree, "c", sink, job));
    }
    NodeId node(std::string_view name) { return must(rig.tree().lookup(top, name)).node; }
    NodeId folder(std::string_view name) {
        return must(rig.tree().make_directory({}, top, name, 0755)).node;
    }
    void cut(NodeId file, std::uint64_t size) {
        core::AttributeChange change;
        change.size = size;
        must(rig.tree().change({}, file, change));
    }
    /// Removes a name when it is called for the node that has it.
    HookedTree::Hook remove(std::string name) {
        return [this, name, wanted = node(name)](NodeId asked) -> Result<void> {
            return asked == wanted ? rig.tree().unlink(top, name) : done();
        };
    }

    reelfs::test::SeededRandom random;
    reelfs::test::StoreRig rig{random};
    HookedTree tree{rig.tree()};
    NodeId top = rig.container();
    Recorder recorder;
};

TEST_F(Export, WhatIsRemovedOnTheWayIsNoProblem) {
    for (const char* name : {"1", "3", "4"}) rig.put(top, name, rig.noise(10));
    must(rig.tree().make_symlink({}, top, "2", "target"));
    const NodeId empty = folder("5");
    tree.before_open = remove("1");
    tree.before_read_link = remove("2");
    tree.before_list_xattrs = remove("3");
    tree.before_open_directory = [&](NodeId asked) -> Result<void> {
        return asked == empty ? rig.tree().remove_directory(top, "5") : done();
    };
    const ExportReport report = run(recorder);
    EXPECT_TRUE(report.problems.empty()) << report.problems.front();
    EXPECT_EQ(recorder.order, (Names{"", "4", "5"}));
    EXPECT_EQ(report.entries, 3u);
}

TEST_F(Export, AFileThatIsCutOnTheWayEndsThere) {
    const auto bytes = rig.noise(1000);
    auto file = rig.create(top, "film");
    must(rig.tree().write({}, *file, 0, bytes));
    must(rig.tree().write({}, *file, limits::MiB, bytes));
    must(rig.tree().flush(*file));
    rig.tree().release(file);
    int stretches = 0;
    tree.before_seek_hole = [&](NodeId node) {
        if (++stretches == 2) cut(node, 700);
        return done();
    };
    const ExportReport report = run(recorder);
    EXPECT_TRUE(report.problems.empty()) << report.problems.front();
    const Exported& film = recorder.entries.at("film");
    EXPECT_EQ(film.attributes.size, 700u);
    ASSERT_EQ(film.runs.size(), 1u);
    EXPECT_EQ(film.runs[0], std::pair(std::uint64_t{0}, std::uint64_t{700}));
    EXPECT_TRUE(
        std::equal(bytes.begin(), bytes.begin() + 700, recorder.contents.at("film").begin()));
}

TEST_F(Export, WhatIsCutAfterItsSizeHasGoneOutIsTold) {
    rig.put(top, "film", rig.noise(10'000));
    tree.before_read = [&](std::uint64_t, std::size_t) {
        cut(node("film"), 5'000);
        return done();
    };
    const ExportReport report = run(recorder);
    EXPECT_EQ(report.problems, (Names{"film: not exported as it is: it became shorter meanwhile"}));
}

TEST_F(Export, ADamagedStretchIsToldAndAllElseComesOut) {
    const auto bytes = rig.noise(3 * limits::MiB);
    rig.put(top, "film", bytes);
    struct Stretch {
        std::uint64_t from, end;
    };
    // The second one lies in two of the pieces that are read at once.
    const Stretch damaged[] = {{limits::MiB + 65'536, limits::MiB + 131'072},
                               {2 * limits::MiB - 4'096, 2 * limits::MiB + 8'192}};
    tree.before_read = [&](std::uint64_t offset, std::size_t size) -> Result<void> {
        for (const Stretch& s : damaged)
            if (offset < s.end && offset + size > s.from) return Error(Errc::kCorrupt, "damaged");
        return done();
    };
    const ExportReport report = run(recorder);
    EXPECT_EQ(
        report.problems,
        (Names{"film: bytes 1114112 to 1179647 cannot be read, and came out as zeros: damaged",
               "film: bytes 2093056 to 2105343 cannot be read, and came out as zeros: "
               "damaged"}));
    auto expected = bytes;
    for (const Stretch& s : damaged)
        std::fill(expected.begin() + static_cast<std::ptrdiff_t>(s.from),
                  expected.begin() + static_cast<std::ptrdiff_t>(s.end), std::byte{});
    EXPECT_EQ(recorder.contents.at("film"), expected);
}

TEST_F(Export, AFileOfSeveralNamesIsWholeUnderTheFirstThatCanBeHad) {
    const auto bytes = rig.noise(100);
    rig.put(top, "1", bytes);
    for (const char* name : {"2", "3", "4"}) must(rig.tree().link(node("1"), top, name));
    recorder.refused = {"1"};
    int opened = 0;
    tree.before_open = [&](NodeId) -> Result<void> {
        return ++opened == 2 ? Result<void>(Error(Errc::kIo, "as asked")) : done();
    };
    run(recorder);
    // One was refused where it goes to, and then one could not be read.
    ASSERT_EQ(recorder.order.size(), 3u);
    const Exported& whole = recorder.entries.at(recorder.order[1]);
    EXPECT_EQ(whole.link_to, "");
    EXPECT_EQ(recorder.contents.at(whole.path), bytes);
    EXPECT_EQ(recorder.entries.at(recorder.order[2]).link_to, whole.path);
}

TEST_F(Export, NothingGoesIntoAFolderThatCouldNotBeMade) {
    rig.put(folder("a"), "x", rig.noise(10));
    rig.put(folder("b"), "x", rig.noise(10));
    recorder.refused = {"a"};
    run(recorder);
    EXPECT_EQ(recorder.order, (Names{"", "b", "b/x"}));
}

TEST_F(Export, AnArchiveThatIsNotWholeGoesAndTheNextAttemptSucceeds) {
    rig.put(top, "film", rig.noise(1000));
    reelfs::test::TempDir dir;
    const std::string path = dir / "c.tar";
    {
        core::Job job;
        auto sink = must(export_to_tar(path, job));
        EXPECT_TRUE(fs::exists(path));
        job.cancel();
        EXPECT_EQ(export_container(tree, "c", *sink, job).error().code(), Errc::kCancelled);
    }
    EXPECT_FALSE(fs::exists(path));
    {
        core::Job job;
        auto sink = must(export_to_tar(path, job));
        must(export_container(tree, "c", *sink, job));
    }
    EXPECT_GT(fs::file_size(path), 1000u);
    core::Job job;
    EXPECT_EQ(export_to_tar(path, job).error().code(), Errc::kExists);
    EXPECT_GT(fs::file_size(path), 1000u);
}

// Where somebody else can write, and where two names are one

class ExportDirectory : public ::testing::Test {
  protected:
    void SetUp() override {
        fs::create_directory(outside);
        fs::permissions(outside, fs::perms(0711));
        sink = must(export_to_directory(target));
        EXPECT_TRUE(put("", NodeType::kDirectory));
    }
    static Exported entry(const std::string& path, NodeType type, std::string link = "") {
        Exported entry{.path = path,
                       .attributes = {},
                       .xattrs = {},
                       .target = std::move(link),
                       .link_to = {},
                       .runs = {}};
        entry.attributes.type = type;
        entry.attributes.mode = 0755;
        entry.attributes.uid = ::getuid();
        entry.attributes.gid = ::getgid();
        return entry;
    }
    bool put(const std::string& path, NodeType type, std::string link = "") {
        const bool made = must(sink->begin(entry(path, type, std::move(link))));
        if (made) must(sink->end());
        return made;
    }
    static unsigned mode_of(const std::string& path) {
        struct stat status {};
        EXPECT_EQ(::stat(path.c_str(), &status), 0);
        return status.st_mode & 07777u;
    }

    reelfs::test::TempDir dir;
    const std::string target = dir / "target", outside = dir / "outside";
    std::unique_ptr<ExportSink> sink;
};

TEST_F(ExportDirectory, AFolderWhoseNameIsALinksAlreadyIsToldAndNotEntered) {
    ASSERT_TRUE(put("A", NodeType::kSymlink, outside));
    EXPECT_FALSE(put("A", NodeType::kDirectory));  // "a", to a file system that ignores case
    EXPECT_FALSE(put("A/x", NodeType::kFile));
    EXPECT_FALSE(put("A/y", NodeType::kDirectory));
    must(sink->finish());
    EXPECT_TRUE(fs::is_empty(outside));
    EXPECT_EQ(mode_of(outside), 0711u);
    ASSERT_EQ(sink->problems().size(), 3u);
    EXPECT_EQ(sink->problems()[0], "A: could not be made, nor what is in it: File exists");
}

TEST_F(ExportDirectory, ALinkThatSomebodyPutsInAFoldersPlaceLeadsNowhere) {
    ASSERT_TRUE(put("a", NodeType::kDirectory));
    ASSERT_TRUE(put("b", NodeType::kDirectory));
    ASSERT_TRUE(put("b/x", NodeType::kFile));
    for (const char* name : {"/a", "/b"}) {
        fs::remove_all(target + name);
        fs::create_symlink(outside, target + name);
    }
    EXPECT_FALSE(put("a/x", NodeType::kFile));
    Exported link = entry("second name", NodeType::kFile);
    link.link_to = "b/x";
    std::ofstream(outside + "/x") << "somebody's";
    EXPECT_FALSE(must(sink->begin(link)));
    must(sink->finish());
    EXPECT_EQ(mode_of(outside), 0711u);
    EXPECT_FALSE(fs::exists(target + "/second name"));
    EXPECT_EQ(std::distance(fs::directory_iterator(outside), fs::directory_iterator()), 1);
}

TEST_F(ExportDirectory, ALinkThatSomebodyPutsInAFifosPlaceGetsNoMode) {
    ASSERT_TRUE(must(sink->begin(entry("fifo", NodeType::kFifo))));
    fs::remove(target + "/fifo");
    fs::create_symlink(outside, target + "/fifo");
    must(sink->end());
    must(sink->finish());
    EXPECT_EQ(mode_of(outside), 0711u);
    EXPECT_EQ(sink->problems().size(), 1u);
}

}  // namespace
}  // namespace reelfs::app
