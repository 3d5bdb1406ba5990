// Random work on packs, cut at random moments or at every call in turn: what a sync covered is
// there, on every disk the cut may leave.
#include <map>

#include "store/sim_store.h"

namespace reelfs::test {
namespace {

struct Put {
    Location location;
    std::uint64_t seed;
    bool durable;
};

/// A few packs under random puts, syncs, closes and frees; remembers what was promised.
class Workload {
  public:
    Workload(store::ExtentStore& store, SeededRandom& random) : store_(store), random_(random) {}

    void step() {
        if (packs_.size() < 3) {
            if (auto pack = store_.open_pack(ContainerId(1))) packs_.push_back(*pack);
            return;
        }
        const PackId pack = packs_[random_.below(packs_.size())];
        switch (random_.below(12)) {
            default: {
                const std::uint64_t seed = ++seeds_;
                auto location = put_bytes(store_, pack, pattern(1 + random_.below(20'000), seed));
                if (location) puts_.push_back({*location, seed, false});
                return;
            }
            case 0:
            case 1:
                if (store_.sync(pack))
                    for (Put& put : puts_)
                        if (put.location.pack == pack) put.durable = true;
                return;
            case 2:
                (void)store_.close_pack(pack);
                std::erase(packs_, pack);
                return;
            case 3:
                if (puts_.empty()) return;
                const Put freed = puts_[random_.below(puts_.size())];
                std::erase_if(puts_, [&](const Put& put) { return put.seed == freed.seed; });
                (void)store_.free(
                    {*freed.location.pack, freed.location.offset, freed.location.length});
                return;
        }
    }

    void expect_promises_kept(Disk& disk) {
        auto store = open_store(disk, random_);
        for (const Put& put : puts_) {
            if (!put.durable) continue;
            auto bytes = read_bytes(*store, put.location);
            ASSERT_TRUE(bytes.ok()) << bytes.error().message();
            ASSERT_EQ(*bytes, pattern(put.location.length, put.seed));
        }
    }
    bool has_promises() const {
        return std::any_of(puts_.begin(), puts_.end(), [](const Put& put) { return put.durable; });
    }

  private:
    store::ExtentStore& store_;
    SeededRandom& random_;
    std::vector<PackId> packs_;
    std::vector<Put> puts_;
    std::uint64_t seeds_ = 0;
};

TEST(PackCrash, WhatASyncCoveredSurvivesAPowerCutAtAnyMoment) {
    SeededRandom random;
    for (int run = 0; run < 12; ++run) {
        SimDisk disk;
        disk.prepare("/zone");
        auto store = open_store(disk, random);
        Workload work(*store, random);
        for (int step = 0; step < 60; ++step) {
            work.step();
            if (step % 5 != 0) continue;
            for (Crash choice : kEveryCrash)
                ASSERT_NO_FATAL_FAILURE(work.expect_promises_kept(*disk.crash(choice, random)));
        }
        ASSERT_NO_FATAL_FAILURE(work.expect_promises_kept(*disk.kill()));
    }
}

TEST(PackCrash, WhatASyncCoveredSurvivesAPowerCutAtEveryCall) {
    SeededRandom random;
    bool any_promises = false;
    for (std::uint64_t n = 1; n < 150; n += 3) {
        SimDisk disk;
        disk.prepare("/zone");
        auto store = open_store(disk, random);
        Workload work(*store, random);
        disk.cut_power_at(n);
        for (int step = 0; step < 80; ++step) work.step();
        any_promises = any_promises || work.has_promises();
        for (Crash choice : kEveryCrash)
            ASSERT_NO_FATAL_FAILURE(work.expect_promises_kept(*disk.crash(choice, random)));
    }
    EXPECT_TRUE(any_promises) << "or nothing was proven";
}

TEST(PackCrash, OneFailingCallBreaksNoPromise) {
    SeededRandom random;
    for (DiskCall kind : {DiskCall::kOpen, DiskCall::kWrite, DiskCall::kSync,
                          DiskCall::kSyncDirectory, DiskCall::kMakeDirectory, DiskCall::kPunch})
        for (std::uint64_t n = 1; n <= 6; ++n)
            for (Errc code : {Errc::kIo, Errc::kNoSpace}) {
                SimDisk disk;
                disk.prepare("/zone");
                auto store = open_store(disk, random);
                Workload work(*store, random);
                disk.fail_nth(kind, n, {.code = code, .written_bytes = random.below(30'000)});
                for (int step = 0; step < 60; ++step) work.step();
                for (Crash choice : {Crash::kSynced, Crash::kMixed})
                    ASSERT_NO_FATAL_FAILURE(work.expect_promises_kept(*disk.crash(choice, random)));
            }
}

}  // namespace
}  // namespace reelfs::test
