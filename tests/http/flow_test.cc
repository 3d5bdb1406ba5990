// What keeps a server within its bounds: memory for bodies, the pool, the pace of peers, the
// chunked coding; and the text of /metrics.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "http/chunked.h"
#include "http/metrics_text.h"
#include "http/pace.h"
#include "http/status.h"
#include "http/window_budget.h"
#include "http/worker_pool.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {
namespace {

TEST(WindowBudget, GivesUpToItsBoundAndThenLetsWaitInLine) {
    WindowBudget budget(100);
    Window first = budget.try_take(50);
    Window second = budget.try_take(50);
    ASSERT_TRUE(first && second);
    EXPECT_FALSE(budget.try_take(1));
    std::vector<int> order;
    Window third, fourth;
    budget.take(40, [&](Window given) {
        third = std::move(given);
        order.push_back(3);
    });
    budget.take(10, [&](Window given) {
        fourth = std::move(given);
        order.push_back(4);
    });
    EXPECT_TRUE(budget.contended());
    EXPECT_TRUE(order.empty());
    first.reset();
    EXPECT_EQ(order, (std::vector<int>{3, 4}));
    EXPECT_EQ(third.size(), 40u);
    EXPECT_EQ(budget.in_use(), 100u);
    EXPECT_FALSE(budget.contended());
    second.reset();
    third.reset();
    fourth.reset();
    EXPECT_EQ(budget.in_use(), 0u);
}

TEST(WindowBudget, NobodyOvertakesWhoWaits) {
    WindowBudget budget(100);
    Window held = budget.try_take(60);
    Window waited;
    budget.take(50, [&](Window given) { waited = std::move(given); });
    EXPECT_FALSE(budget.try_take(10)) << "there would be room, but somebody is in front";
    held.reset();
    EXPECT_TRUE(waited);
}

TEST(WindowBudget, AWishLargerThanEverythingIsCutToEverything) {
    WindowBudget budget(100);
    Window all;
    budget.take(1'000, [&](Window given) { all = std::move(given); });
    EXPECT_EQ(all.size(), 100u);
}

TEST(WindowBudget, ClosingEndsAllWaitingWithNothing) {
    WindowBudget budget(10);
    Window held = budget.try_take(10);
    int refused = 0;
    budget.take(5, [&](Window given) { refused += given ? 0 : 1; });
    budget.close();
    budget.take(5, [&](Window given) { refused += given ? 0 : 1; });
    EXPECT_EQ(refused, 2);
    held.reset();
    EXPECT_FALSE(budget.try_take(1));
}

TEST(WindowBudget, StaysWithinItsBoundUnderManyThreads) {
    WindowBudget budget(1'000);
    std::atomic<int> granted{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 2'000; ++i) {
                budget.take(static_cast<std::size_t>(100 * (1 + (i + t) % 9)), [&](Window given) {
                    EXPECT_TRUE(given);
                    EXPECT_LE(budget.in_use(), 1'000u);
                    ++granted;
                });
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(granted, 8'000);
    EXPECT_EQ(budget.in_use(), 0u);
}

struct CountingJob final : WorkerPool::Job {
    std::atomic<int>* count = nullptr;
    void run() noexcept override { ++*count; }
};

TEST(WorkerPool, RunsEverythingThatWasTakenBeforeItEnds) {
    std::atomic<int> count{0};
    std::vector<CountingJob> jobs(1'000);
    {
        WorkerPool pool(3, 10);
        for (CountingJob& job : jobs) {
            job.count = &count;
            pool.post(job);
        }
    }
    EXPECT_EQ(count, 1'000);
}

TEST(Pace, APeerThatTakesEnoughIsNeverCutAndOneThatDoesNotIs) {
    Pace enough(60, 60, 1'000);
    Pace slow(60, 60, 1'000);
    enough.wait_begins(0);
    slow.wait_begins(0);
    for (std::int64_t now = 1; now < 1'000; ++now) {
        const auto passed = static_cast<std::uint64_t>(now);
        EXPECT_FALSE(enough.is_stalled(now, 1'000 + passed * 11 / 10));
        EXPECT_EQ(slow.is_stalled(now, 1'000 + passed / 2), now >= 60) << now;
        if (now >= 60) break;
    }
}

TEST(Pace, OnlyTimeSpentWaitingForTheSocketCounts) {
    Pace pace(60, 60, 0);
    std::int64_t now = 0;
    for (int i = 0; i < 5; ++i) {
        pace.wait_begins(now);
        EXPECT_FALSE(pace.is_stalled(now + 10, 1));
        now += 10;
        pace.wait_ends(now);
        now += 1'000;  // the disk, or a file that grows
    }
    pace.wait_begins(now);
    EXPECT_FALSE(pace.is_stalled(now + 9, 1));
    EXPECT_TRUE(pace.is_stalled(now + 10, 1)) << "six times ten";
}

struct Decoded {
    ChunkedDecoder::State state;
    std::string data;
    std::size_t consumed;
    bool operator==(const Decoded&) const = default;
};
Decoded decode(std::string_view input, std::size_t piece) {
    ChunkedDecoder decoder;
    std::string data;
    std::size_t consumed = 0;
    while (decoder.state() == ChunkedDecoder::State::kMore) {
        const auto step = decoder.feed(input.substr(consumed, piece));
        if (step.consumed == 0) break;
        data += step.data;
        consumed += step.consumed;
    }
    return {decoder.state(), data, consumed};
}

TEST(ChunkedDecoder, FindsDataAndEndHoweverTheInputIsCut) {
    const std::string body = "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n000\r\nT: v\r\nU: w\r\n\r\n";
    for (std::size_t piece = 1; piece <= body.size() + 9; ++piece)
        EXPECT_EQ(decode(body + "GET / HTT", piece),
                  (Decoded{ChunkedDecoder::State::kDone, "abc0123456789", body.size()}))
            << piece;
    EXPECT_EQ(decode("0\r\n\r\n", 1).state, ChunkedDecoder::State::kDone);
    EXPECT_EQ(decode("5\r\nab", 9).state, ChunkedDecoder::State::kMore);
}

TEST(ChunkedDecoder, RefusesEverythingElse) {
    for (const char* body :
         {"\r\n", "g\r\n", "-1\r\n", "0x1\r\n", "+1\r\n", " 1\r\n", "1\n", "1\r\rx", "1\r\nabc",
          "1\r\na\n", "1\r\na\r\n\r\n", "1234567890123456\r\n", "1;a\nb\r\n", "1;\x01\r\n",
          "0\r\nx\ny\r\n\r\n", "0\r\nx\r\rz", "0\r\n\rx", ";x\r\n"})
        EXPECT_EQ(decode(body, 64).state, ChunkedDecoder::State::kMalformed) << body;
}

TEST(ChunkedDecoder, BoundsExtensionsAndTrailersOverTheWholeBody) {
    const std::string extension(limits::http_chunk_extension_bytes_max / 4, 'x');
    std::string body;
    for (int i = 0; i < 5; ++i) body += "1;" + extension + "\r\na\r\n";
    EXPECT_EQ(decode(body, 1'000).state, ChunkedDecoder::State::kMalformed);
    const std::string trailers = "0\r\n" + std::string(limits::http_trailer_bytes_max + 1, 't');
    EXPECT_EQ(decode(trailers, 1'000).state, ChunkedDecoder::State::kMalformed);
}

TEST(Faults, EveryErrorHasAStatusItsTypeAndAPhrase) {
    for (int code = 0; code <= static_cast<int>(Errc::kNewerFormat); ++code) {
        const Fault fault = fault_of(static_cast<Errc>(code), "/a");
        EXPECT_GE(fault.status, 400);
        EXPECT_NE(reason_phrase(fault.status), "Unknown");
        EXPECT_FALSE(fault.type.empty());
    }
    EXPECT_EQ(fault_of(Errc::kAccessDenied, "").status, 403);
    EXPECT_EQ(fault_of(Errc::kNotFound, "").type, "ObjectNotFoundException");
    EXPECT_EQ(fault_of(Errc::kCorrupt, "").status, 500);
}

TEST(Faults, AMessageWithAnyBytesIsStillJson) {
    EXPECT_EQ(error_json({404, "T", "\xff\"\n"}),
              "{\"Code\":\"T\",\"Message\":\"\xEF\xBF\xBD\\\"\\n\"}\n");
}

TEST(PeerFaults, AreReportedTogetherAndNotTooOften) {
    PeerFaults faults;
    EXPECT_EQ(faults.take_report(1, 10), "");
    faults.note(PeerFault::kBadHead);
    EXPECT_EQ(faults.take_report(2, 10), "1 requests that are no proper HTTP");
    for (int i = 0; i < 3; ++i) faults.note(PeerFault::kTurnedAway);
    faults.note(PeerFault::kBadHead);
    EXPECT_EQ(faults.take_report(9'000'000, 10), "") << "too soon";
    faults.note(PeerFault::kSlowReader);
    EXPECT_EQ(faults.take_report(11'000'000, 10),
              "3 connections turned away, 1 requests that are no proper HTTP, 1 responses cut "
              "because the peer took too little");
    EXPECT_EQ(faults.take_report(30'000'000, 10), "");
    EXPECT_EQ(faults.count(PeerFault::kTurnedAway), 3u);
    EXPECT_NE(render_faults(faults).find("{kind=\"turned_away\"} 3\n"), std::string::npos);
}

TEST(MetricsText, BucketsAreCumulativeAndInSeconds) {
    Metrics metrics;
    OperationMeter& meter = metrics.operation("http", "Get\"Object");
    meter.record(5'000, 10, true);
    meter.record(300'000, 20, false);
    meter.record(60'000'000'000, 30, true);
    const std::string text = render_operations(metrics.all());
    const std::string labels = "{door=\"http\",operation=\"Get\\\"Object\"";
    for (const std::string& line :
         {"reelfs_requests_total" + labels + "} 3\n",
          "reelfs_request_failures_total" + labels + "} 1\n",
          "reelfs_request_bytes_total" + labels + "} 60\n",
          "reelfs_request_duration_seconds_bucket" + labels + ",le=\"1e-05\"} 1\n",
          "reelfs_request_duration_seconds_bucket" + labels + ",le=\"0.0005\"} 2\n",
          "reelfs_request_duration_seconds_bucket" + labels + ",le=\"10\"} 2\n",
          "reelfs_request_duration_seconds_bucket" + labels + ",le=\"+Inf\"} 3\n",
          "reelfs_request_duration_seconds_count" + labels + "} 3\n"})
        EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

TEST(MetricsText, GaugesSayWhatTheyAre) {
    EXPECT_EQ(render_gauges({{"a_total", "Help\nhere.", 2, true}, {"b", "B.", 0.5, false}}),
              "# HELP a_total Help\\nhere.\n# TYPE a_total counter\na_total 2\n"
              "# HELP b B.\n# TYPE b gauge\nb 0.5\n");
}

}  // namespace
}  // namespace reelfs::http
