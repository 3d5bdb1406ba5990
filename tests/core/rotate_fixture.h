// What the tests of a key's rotation ask of a store.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "core/keys.h"
#include "core/test_store.h"
#include "reelfs/core/check.h"

namespace reelfs::core {

class RotateFixture : public ::testing::Test {
  protected:
    /// Of the container "c".
    Result<RotateReport> try_rotate(test::StoreRig& rig) {
        Job job;
        return rig.volume().rotate_key("c", job);
    }
    RotateReport rotate(test::StoreRig& rig) { return test::must(try_rotate(rig)); }

    /// The ids of a container's keys, as the disk has them.
    std::vector<std::uint32_t> keys_of(test::StoreRig& rig, std::string_view container = "c") {
        const ContainerId id = test::must(rig.tree().container(container)).container;
        const auto keyring =
            test::must(load_keyring(rig.disk(), "/data/store/keyring", test::test_key()));
        std::vector<std::uint32_t> keys;
        for (std::uint32_t key = 1; key < 20; ++key)
            if (keyring.container_key(id, KeyId(key))) keys.push_back(key);
        return keys;
    }
    /// Nothing at all is found. The store is opened anew, without background work.
    void expect_clean(test::StoreRig& rig) {
        rig.background_ms = 0;
        rig.close();
        Job job;
        const auto report = test::must(check_store(
            rig.environment(),
            {.directory = "/data/store", .unlock = test::test_key(), .memory_bytes = 64 << 20},
            job));
        for (const Finding& finding : report.findings) ADD_FAILURE() << finding.text;
        rig.open();
    }

    test::SeededRandom random_;
};

}  // namespace reelfs::core
