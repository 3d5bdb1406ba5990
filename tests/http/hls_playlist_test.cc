#include "http/hls_playlist.h"

#include <gtest/gtest.h>

#include "reelfs/model/limits.h"

namespace reelfs::http {
namespace {

constexpr std::string_view kLowLatency =
    "#EXTM3U\r\n"
    "#EXT-X-VERSION:9\r\n"
    "#EXT-X-TARGETDURATION:4\r\n"
    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0\r\n"
    "#EXT-X-PART-INF:PART-TARGET=0.33334\r\n"
    "#EXT-X-MEDIA-SEQUENCE:266\r\n"
    "#EXT-X-PROGRAM-DATE-TIME:2019-02-14T02:13:36.106Z\r\n"
    "#EXTINF:4.00008,\r\n"
    "fileSequence266.mp4\r\n"
    "#EXT-X-PART:DURATION=0.33334,URI=\"filePart267.0.mp4\",INDEPENDENT=YES\r\n"
    "#EXT-X-PART:DURATION=0.33334,URI=\"filePart267.1.mp4\"\r\n"
    "#EXT-X-PART:DURATION=0.33334,URI=\"filePart267.2.mp4\"\r\n"
    "#EXTINF:4.00008,\r\n"
    "fileSequence267.mp4\r\n"
    "#EXT-X-PART:DURATION=0.33334,URI=\"filePart268.0.mp4\"\r\n"
    "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"filePart268.1.mp4\"\r\n";

HlsPlaylist low_latency() {
    return *read_hls_playlist(kLowLatency);
}

TEST(HlsPlaylist, ReadsHowFarItHasCome) {
    EXPECT_EQ(low_latency(), (HlsPlaylist{.ended = false,
                                          .target_ms = 4'000,
                                          .part_target_ms = 333,
                                          .next_segment = 268,
                                          .next_segment_parts = 1,
                                          .last_segment_parts = 3}));
}

TEST(HlsPlaylist, ReadsAPlainPlaylistAndItsEnd) {
    const auto playlist = read_hls_playlist(
        "\xef\xbb\xbf#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n#EXTINF:2,\nb.ts\n"
        "#EXT-X-ENDLIST");
    ASSERT_TRUE(playlist);
    EXPECT_TRUE(playlist->ended);
    EXPECT_EQ(playlist->next_segment, 2u);
    EXPECT_EQ(playlist->part_target_ms, 0);
}

TEST(HlsPlaylist, CountsSkippedSegments) {
    const auto playlist = read_hls_playlist(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:100\n"
        "#EXT-X-SKIP:RECENTLY-REMOVED-DATERANGES=\"a,b=1\",SKIPPED-SEGMENTS=20\n#EXTINF:4,\nx."
        "mp4\n");
    ASSERT_TRUE(playlist);
    EXPECT_EQ(playlist->next_segment, 121u);
}

TEST(HlsPlaylist, WhatIsNoMediaPlaylistIsNone) {
    EXPECT_FALSE(read_hls_playlist(""));
    EXPECT_FALSE(read_hls_playlist("#EXTM3U"));
    EXPECT_FALSE(read_hls_playlist("#EXTM3U8\n#EXT-X-TARGETDURATION:4\n"));
    EXPECT_FALSE(read_hls_playlist("<html>"));
    EXPECT_FALSE(read_hls_playlist("#EXTM3U\n#EXT-X-TARGETDURATION:none\n"));
    EXPECT_FALSE(read_hls_playlist("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n"))
        << "a list of variants has no sequence";
    EXPECT_FALSE(read_hls_playlist("#EXTM3U\n#EXT-X-TARGETDURATIONS:4\na.ts\n"))
        << "a longer name is another tag";
}

HlsProgress at(std::uint64_t segment, std::optional<std::uint64_t> part = std::nullopt) {
    return progress_of(low_latency(), {segment, part});
}

TEST(HlsPlaylist, ASegmentIsReachedWhenItIsWhole) {
    EXPECT_EQ(at(0), HlsProgress::kReached);
    EXPECT_EQ(at(267), HlsProgress::kReached);
    EXPECT_EQ(at(268), HlsProgress::kToCome);
    EXPECT_EQ(at(269), HlsProgress::kToCome);
    EXPECT_EQ(at(270), HlsProgress::kTooFar) << "more than two beyond the last whole one";
    EXPECT_EQ(at(UINT64_MAX), HlsProgress::kTooFar);
}

TEST(HlsPlaylist, APartIsReachedWhenItIsListedOrItsSegmentIsWhole) {
    EXPECT_EQ(at(266, 50), HlsProgress::kReached);
    EXPECT_EQ(at(267, 2), HlsProgress::kReached);
    EXPECT_EQ(at(268, 0), HlsProgress::kReached);
    EXPECT_EQ(at(268, 1), HlsProgress::kToCome);
    EXPECT_EQ(at(268, 9), HlsProgress::kToCome) << "three seconds of parts may be asked for ahead";
    EXPECT_EQ(at(268, 11), HlsProgress::kTooFar);
    EXPECT_EQ(at(269, 0), HlsProgress::kToCome);
    EXPECT_EQ(at(270, 0), HlsProgress::kTooFar);
}

TEST(HlsPlaylist, APartBehindAWholeSegmentsLastIsTheNextSegmentsFirst) {
    EXPECT_EQ(at(267, 3), HlsProgress::kReached) << "268 has its first part";
    HlsPlaylist without = low_latency();
    without.next_segment_parts = 0;
    EXPECT_EQ(progress_of(without, {267, 3}), HlsProgress::kToCome);
    EXPECT_EQ(progress_of(without, {267, 2}), HlsProgress::kReached);
    without.last_segment_parts = 0;
    EXPECT_EQ(progress_of(without, {267, 3}), HlsProgress::kReached) << "its parts are not listed";
}

TEST(HlsPlaylist, AnEndedOneIsReachedWhateverIsAsked) {
    HlsPlaylist ended = low_latency();
    ended.ended = true;
    EXPECT_EQ(progress_of(ended, {1'000, 7}), HlsProgress::kReached);
}

TEST(HlsPlaylist, IsHeldForThreeTargetDurationsAtMostNineSeconds) {
    HlsPlaylist playlist;
    playlist.target_ms = 1'000;
    EXPECT_EQ(hold_ms_of(playlist), 3'000);
    playlist.target_ms = 6'000;
    EXPECT_EQ(hold_ms_of(playlist), 9'000);
}

}  // namespace
}  // namespace reelfs::http
