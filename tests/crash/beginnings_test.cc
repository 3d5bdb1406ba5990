// Power cuts while a store or a container is made or removed: there is a whole one, or none.
#include <fmt/format.h>

#include <functional>

#include "crash/cuts.h"
#include "crash/ground.h"
#include "crash/observed.h"

namespace reelfs::test {
namespace {

constexpr CutOptions kFew{.prefixes_only = true, .pages_lost_max = 0, .by_chance = 0};

/// The disk before each sync while `act` runs, and after it.
std::vector<std::unique_ptr<SimDisk>> moments_of(SimDisk& disk, const std::function<void()>& act) {
    std::vector<std::unique_ptr<SimDisk>> moments;
    disk.set_hook([&](const CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind == DiskCall::kSync || call.kind == DiskCall::kSyncDirectory)
            moments.push_back(disk.kill());
        return std::nullopt;
    });
    act();
    disk.set_hook({});
    moments.push_back(disk.kill());
    return moments;
}

TEST(Beginnings, AStoreIsThereWholeOrNotAtAll) {
    SeededRandom random;
    const Ground ground = make_ground(random);  // for its quiet
    SimDisk disk;
    disk.set_thin();
    disk.prepare("/data");
    ManualClock clock;
    int whole = 0, none = 0;
    const auto moments = moments_of(disk, [&] { create_test_store(disk, {disk, random, clock}); });
    for (const auto& moment : moments)
        each_cut(*moment, kFew, random, [&](std::unique_ptr<SimDisk> image, const auto& what) {
            auto id = core::identify_store(*image, "/data/store");
            if (!id) {
                EXPECT_EQ(id.error().code(), Errc::kNotFound) << what << id.error().message();
                ++none;
                return;
            }
            auto volume = open_volume(*image, random, clock);
            ASSERT_TRUE(volume.ok()) << what << ": " << volume.error().message();
            must((*volume)->tree().create_container({}, "c", {}));
            must((*volume)->close());
            ++whole;
        });
    EXPECT_GT(whole, 0);
    EXPECT_GT(none, 0);
}

TEST(Beginnings, AContainerIsThereWholeOrNotAtAllAndSoIsItsEnd) {
    SeededRandom random;
    const Ground ground = make_ground(random);
    auto disk = ground.disk->kill();
    ManualClock clock;
    auto volume = must(open_volume(*disk, random, clock));
    int there = 0, gone = 0;
    const auto look = [&](const std::vector<std::unique_ptr<SimDisk>>& moments) {
        for (const auto& moment : moments)
            each_cut(*moment, kFew, random, [&](std::unique_ptr<SimDisk> image, const auto& what) {
                const Observed observed = observe(*image, 7);
                EXPECT_EQ(fmt::format("{}", fmt::join(observed.problems, "; ")), "") << what;
                auto opened = must(open_volume(*image, random, clock));
                auto found = opened->tree().lookup(kRootNode, "second");
                if (!found) {
                    EXPECT_EQ(found.error().code(), Errc::kNotFound);
                    ++gone;
                    return;
                }
                auto file =
                    must(opened->tree().create({}, found->node, "f", 0644, {.write = true}));
                must(opened->tree().write({}, *file.file, 0, bytes_of_step(1, 20'000)));
                EXPECT_TRUE(opened->tree().fsync(*file.file).ok()) << what << ": its key is there";
                opened->tree().release(file.file);
                ++there;
            });
    };
    look(moments_of(*disk, [&] {
        must(volume->tree().create_container({}, "second", {}));
        must(volume->tree().sync_metadata());
    }));
    EXPECT_GT(there, 0);
    look(moments_of(*disk, [&] {
        must(volume->tree().delete_container("second"));
        must(volume->tree().sync_metadata());
    }));
    EXPECT_GT(gone, 0);
}

}  // namespace
}  // namespace reelfs::test
