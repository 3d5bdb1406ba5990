// One long job at a time, watched and stopped while the daemon goes on.
#include "app/jobs.h"

#include <gtest/gtest.h>

#include <future>

namespace reelfs::app {
namespace {

Json ended(const Jobs& jobs) {
    while (true) {
        const Json status = jobs.status();
        if (!flag_member(status, "running")) return status;
        std::this_thread::yield();
    }
}

TEST(Jobs, AResultIsThereAfterTheEnd) {
    Jobs jobs;
    EXPECT_TRUE(jobs.status().is_null());
    auto number = jobs.start("work", 0, [](core::Job& job) -> Result<Json> {
        job.begin("adding", 10);
        RF_CHECK(job.advance(4));
        return Json{{"sum", 4u}};
    });
    ASSERT_TRUE(number.ok());
    const Json status = ended(jobs);
    EXPECT_EQ(number_member(status, "job", 0), *number);
    EXPECT_EQ(number_member(status, "done_bytes", 0), 4u);
    EXPECT_EQ(text_member(status, "stage"), "adding");
    EXPECT_EQ(number_member(status.at("result"), "sum", 0), 4u);
}

TEST(Jobs, OneAtATimeAndTheOtherIsToldWhy) {
    Jobs jobs;
    std::promise<void> go;
    auto allowed = go.get_future().share();
    ASSERT_TRUE(jobs.start("scrub", 0,
                           [allowed](core::Job&) -> Result<Json> {
                               allowed.wait();
                               return Json();
                           })
                    .ok());
    auto second = jobs.start("backup", 0, [](core::Job&) -> Result<Json> { return Json(); });
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code(), Errc::kBusy);
    EXPECT_NE(second.error().message().find("scrub"), std::string::npos);
    go.set_value();
    ended(jobs);
    EXPECT_TRUE(jobs.start("backup", 0, [](core::Job&) -> Result<Json> { return Json(); }).ok());
}

TEST(Jobs, ACancelAndTheEndOfTheDaemonStopIt) {
    Jobs jobs;
    EXPECT_EQ(jobs.cancel().error().code(), Errc::kNotFound);
    const auto endless = [](core::Job& job) -> Result<Json> {
        while (true) RF_CHECK(job.advance(1));
    };
    ASSERT_TRUE(jobs.start("endless", 1, endless).ok());
    ASSERT_TRUE(jobs.cancel().ok());
    EXPECT_EQ(text_member(ended(jobs), "error"), "cancelled");
    ASSERT_TRUE(jobs.start("endless", 1, endless).ok());
    jobs.stop();
    EXPECT_FALSE(flag_member(jobs.status(), "running"));
    EXPECT_EQ(jobs.start("late", 0, endless).error().code(), Errc::kBusy);
}

TEST(Jobs, WhatIsThrownIsAnError) {
    Jobs jobs;
    ASSERT_TRUE(
        jobs.start("bad", 0,
                   [](core::Job&) -> Result<Json> { throw std::runtime_error("out of luck"); })
            .ok());
    EXPECT_EQ(text_member(ended(jobs), "message"), "out of luck");
}

}  // namespace
}  // namespace reelfs::app
